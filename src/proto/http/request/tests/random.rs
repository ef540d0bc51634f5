//! Random requests: rendered and decoded, and any bytes cut anywhere.

use super::*;
use proptest::prelude::*;

/// How a rendered request carries its body.
#[derive(Debug, Clone)]
enum Carried {
    Absent,
    Length(Vec<u8>),
    Chunks(Vec<Vec<u8>>),
}

#[derive(Debug, Clone)]
struct Model {
    method: String,
    path: String,
    query: Option<String>,
    fields: Vec<(String, String)>,
    carried: Carried,
}

impl Model {
    fn render(&self, out: &mut Vec<u8>) {
        let query = self.query.iter().map(|query| format!("?{query}"));
        let target = format!("/{}{}", self.path, query.collect::<String>());
        out.extend(format!("{} {target} HTTP/1.1\r\nhOsT: h\r\n", self.method).bytes());
        for (name, value) in &self.fields {
            out.extend(format!("X-{name}: \t{value} \r\n").bytes());
        }
        match &self.carried {
            Carried::Absent => out.extend(b"\r\n"),
            Carried::Length(body) => {
                out.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
                out.extend(body);
            }
            Carried::Chunks(chunks) => {
                out.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in chunks {
                    out.extend(format!("{:X}\r\n", chunk.len()).bytes());
                    out.extend(chunk);
                    out.extend(b"\r\n");
                }
                out.extend(b"0\r\n\r\n");
            }
        }
    }

    fn body(&self) -> Vec<u8> {
        match &self.carried {
            Carried::Absent => vec![],
            Carried::Length(body) => body.clone(),
            Carried::Chunks(chunks) => chunks.concat(),
        }
    }
}

fn model() -> impl Strategy<Value = Model> {
    let bytes = |size| prop::collection::vec(any::<u8>(), size);
    let carried = prop_oneof![
        Just(Carried::Absent),
        bytes(0..=BODY_MAX).prop_map(Carried::Length),
        prop::collection::vec(bytes(1..=20), 0..=5).prop_map(Carried::Chunks),
    ];
    let fields = prop::collection::vec(
        (
            "[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,8}",
            "([!-~]([ -~]{0,10}[!-~])?)?",
        ),
        0..5,
    );
    (
        "GET|POST|HEAD|[A-Z]{8}",
        "[!-\"$->@-~\u{80}-\u{fff}]{0,12}",
        prop::option::of("[!-\"$-~]{0,12}"),
        fields,
        carried,
    )
        .prop_map(|(method, path, query, fields, carried)| Model {
            method,
            path,
            query,
            fields,
            carried,
        })
}

proptest! {
    #[test]
    fn rendered_requests_come_back(
        models in prop::collection::vec(model(), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 2),
    ) {
        let mut input = Vec::new();
        for model in &models {
            model.render(&mut input);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort();
        let (seen, rest) = outcome_with(&Limits::default(), &input, &cuts);
        prop_assert_eq!(rest, Ok(0));
        prop_assert_eq!(seen.len(), models.len());
        for (seen, model) in seen.iter().zip(&models) {
            prop_assert_eq!(&seen.method, &model.method);
            prop_assert_eq!(&seen.path, &format!("/{}", model.path));
            prop_assert_eq!(&seen.query, &model.query);
            prop_assert_eq!(&seen.body, &model.body());
            for ((name, value), seen) in model.fields.iter().zip(&seen.headers[1..]) {
                prop_assert_eq!(&format!("X-{name}"), &seen.0);
                prop_assert_eq!(value.as_bytes(), &seen.1);
            }
        }
    }

    #[test]
    fn cuts_change_nothing(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST /a HTTP/1.1\r\n", "GET / HTTP/1.0\r\n", "GET / HTTP/1.3\r\n", "Host: a\r\n",
            "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n", "X: y\r\n",
            "\r\n", "\r", "\n", " ", "\0", ":", "5\r\n", "0\r\n", "hello", "3;a\r\nabc\r\n",
        ]), 0..14),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let input = pieces.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort();
        let limits = Limits { request_line_bytes_max: 40, header_bytes_max: 80, header_count_max: 4 };
        prop_assert_eq!(
            outcome_with(&limits, input.as_bytes(), &[]),
            outcome_with(&limits, input.as_bytes(), &cuts)
        );
    }
}
