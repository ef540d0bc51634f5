//! Health checks: `/healthz` says that the process serves, `/readyz` whether it takes work.

/// The media type of both answers.
pub const CONTENT_TYPE: &str = "text/plain; charset=utf-8";

/// The answer to `/healthz`, status and body: whoever can give it is healthy.
pub const HEALTHZ: (u16, &str) = (200, "ok");

/// What decides whether the server takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The store is open: it was opened and its last commit did not fail.
    pub store_open: bool,
    /// The writer thread runs.
    pub writer_alive: bool,
    /// The writer's queue is below the mark at which commands are refused.
    pub writer_queue_below_mark: bool,
    /// The readers' queues are below the mark at which queries are refused.
    pub reader_queue_below_mark: bool,
    /// The server is stopping: it finishes what it has and takes nothing new.
    pub draining: bool,
}

impl Readiness {
    /// The answer to `/readyz`: 200 and `ready` in `body`, or 503 and the reasons, one a line.
    pub fn render(&self, body: &mut String) -> u16 {
        let facts = [
            (self.draining, "draining"),
            (!self.store_open, "store not open"),
            (!self.writer_alive, "writer not running"),
            (!self.writer_queue_below_mark, "writer queue full"),
            (!self.reader_queue_below_mark, "reader queue full"),
        ];
        let reasons = facts.iter().filter(|(holds, _)| *holds);
        let before = body.len();
        for (_, reason) in reasons {
            body.push_str(reason);
            body.push('\n');
        }
        if body.len() > before {
            503
        } else {
            body.push_str("ready");
            200
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: Readiness = Readiness {
        store_open: true,
        writer_alive: true,
        writer_queue_below_mark: true,
        reader_queue_below_mark: true,
        draining: false,
    };

    fn readyz(readiness: Readiness) -> (u16, String) {
        let mut body = String::new();
        let status = readiness.render(&mut body);
        (status, body)
    }

    #[test]
    fn ready() {
        assert_eq!(readyz(READY), (200, "ready".into()));
    }

    #[test]
    fn each_fact_alone_makes_it_unready() {
        for (readiness, body) in [
            (
                Readiness {
                    store_open: false,
                    ..READY
                },
                "store not open\n",
            ),
            (
                Readiness {
                    writer_alive: false,
                    ..READY
                },
                "writer not running\n",
            ),
            (
                Readiness {
                    writer_queue_below_mark: false,
                    ..READY
                },
                "writer queue full\n",
            ),
            (
                Readiness {
                    reader_queue_below_mark: false,
                    ..READY
                },
                "reader queue full\n",
            ),
            (
                Readiness {
                    draining: true,
                    ..READY
                },
                "draining\n",
            ),
        ] {
            assert_eq!(readyz(readiness), (503, body.into()));
        }
    }

    #[test]
    fn every_reason_has_a_line() {
        let unready = Readiness {
            store_open: false,
            writer_queue_below_mark: false,
            draining: true,
            ..READY
        };
        assert_eq!(
            readyz(unready),
            (503, "draining\nstore not open\nwriter queue full\n".into())
        );
    }
}
