//! The readers' threads: loads for the writer, queries for shards, files.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, select};

use crate::admin::metrics::{Counter, Histogram, ReaderQueue, Recorder};
use crate::config::LogLevel;
use crate::conn::{Page, PageRequest};
use crate::dialect::Upload;
use crate::domain::command::Refusal;
use crate::media::serve::FileRequest;
use crate::media::store::MediaStore;
use crate::proto::http::head::Method;
use crate::runtime::inbox::{CallKey, Entry, Question};
use crate::runtime::shared::Shared;
use crate::runtime::writer::ToWriter;
use crate::store::writer::LoadRequest;
use crate::store::{Reader, StoreError, load, query};

/// What takes long: files.
#[derive(Debug)]
pub enum Heavy {
    /// A query over much.
    Query(Question),
    /// Keep a file.
    Save {
        /// The shard that asks.
        shard: usize,
        /// Who waits.
        call: CallKey,
        /// The file.
        upload: Upload,
    },
    /// Serve a file.
    Serve {
        /// The shard that asks.
        shard: usize,
        /// Who waits.
        call: CallKey,
        /// The file's name.
        name: String,
        /// What was asked.
        request: Box<PageRequest>,
    },
}

/// A reader with all that its thread needs.
pub struct ReaderThread {
    /// The store's reading side.
    pub reader: Box<dyn Reader>,
    /// Uploads.
    pub media: Arc<MediaStore>,
    /// What the writer waits for; closed when the server has stopped.
    pub loads: Receiver<Vec<LoadRequest>>,
    /// What is quick.
    pub short: Receiver<Question>,
    /// What takes long; only some readers take from here.
    pub heavy: Option<Receiver<Heavy>>,
    /// To the writer.
    pub writer: Sender<ToWriter>,
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// Counts for this thread.
    pub recorder: Recorder,
}

impl ReaderThread {
    /// Runs until the writer is gone.
    pub fn run(mut self) {
        let none = crossbeam_channel::never();
        let heavy = self.heavy.take().unwrap_or(none);
        let (loads, short) = (self.loads.clone(), self.short.clone());
        loop {
            // What the writer waits for goes first.
            if let Ok(requests) = loads.try_recv() {
                self.load(&requests);
                continue;
            }
            select! {
                recv(loads) -> requests => match requests {
                    Ok(requests) => self.load(&requests),
                    Err(_) => return,
                },
                recv(short) -> question => if let Ok(question) = question {
                    self.question(question, ReaderQueue::Short);
                } else {
                    return;
                },
                recv(heavy) -> task => if let Ok(task) = task {
                    self.heavy(task);
                } else {
                    return;
                },
            }
        }
    }

    fn load(&mut self, requests: &[LoadRequest]) {
        let loaded = load::fetch_all(&mut *self.reader, requests);
        // The channel holds every load that can be under way; a writer that is gone needs no answer.
        let _ = self.writer.send(ToWriter::Loaded(loaded));
    }

    fn question(&mut self, question: Question, queue: ReaderQueue) {
        let begun = Instant::now();
        let result =
            query::ask(&mut *self.reader, &question.query).map_err(|error| self.failed(&error));
        self.recorder
            .time(Histogram::QueryDuration(queue), begun.elapsed());
        self.reply(
            question.shard,
            Entry::Read {
                purpose: question.purpose,
                result,
            },
        );
    }

    fn heavy(&mut self, task: Heavy) {
        match task {
            Heavy::Query(question) => self.question(question, ReaderQueue::Heavy),
            Heavy::Save {
                shard,
                call,
                upload,
            } => {
                let bytes = upload.bytes.len();
                let saved = self.media.save(&upload.name, &upload.bytes);
                self.shared.upload_bytes.fetch_sub(bytes, Ordering::Relaxed);
                if saved.is_ok() {
                    self.recorder.count(Counter::Uploads, 1);
                    self.recorder.count(Counter::UploadBytes, bytes as u64);
                }
                let saved = saved.map_err(|error| {
                    self.failed(&StoreError(format!("keeping an upload: {error}")))
                });
                self.reply(shard, Entry::Saved(call, saved));
            }
            Heavy::Serve {
                shard,
                call,
                name,
                request,
            } => {
                let page = self.serve(&name, &request);
                self.reply(shard, Entry::Page(call, page));
            }
        }
    }

    fn serve(&self, name: &str, request: &PageRequest) -> Page {
        let asked = FileRequest {
            name,
            method: request.method,
            if_none_match: request.if_none_match.as_deref(),
            if_range: request.if_range.as_deref(),
            range: request.range.as_deref(),
        };
        match self.media.serve(&asked) {
            Ok(file) => Page {
                status: file.status,
                content_type: file.content_type,
                cache_control: file.cache_control,
                headers: file.headers,
                head_length: (request.method == Method::Head).then_some(file.length),
                body: file.content,
            },
            Err(error) => {
                self.failed(&StoreError(format!("serving an upload: {error}")));
                Page::text(500, "the file cannot be read")
            }
        }
    }

    fn failed(&self, error: &StoreError) -> Refusal {
        self.shared
            .log(LogLevel::Error, &format!("a reader failed: {error}"));
        Refusal::Failure
    }

    fn reply(&self, shard: usize, entry: Entry) {
        if let Some(inbox) = self.shared.inboxes.get(shard) {
            inbox.push(entry);
            inbox.wake();
        }
    }
}
