//! The readers' threads: loads for the writer, queries for shards, files.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select};

use crate::admin::metrics::{Counter, Histogram, ReaderQueue, Recorder};
use crate::config::LogLevel;
use crate::conn::{Page, PageRequest};
use crate::dialect::Upload;
use crate::domain::command::Refusal;
use crate::domain::query::Answered;
use crate::limits::QUESTIONS_PER_SNAPSHOT_MAX;
use crate::media::serve::FileRequest;
use crate::media::store::MediaStore;
use crate::proto::http::head::Method;
use crate::runtime::inbox::{CallKey, Entry, Question};
use crate::runtime::shared::Shared;
use crate::runtime::writer::ToWriter;
use crate::store::writer::LoadRequest;
use crate::store::{Reader, StoreError, load, query};

/// A snapshot takes no further question after so long.
const SHARED_SNAPSHOT_MAX: Duration = Duration::from_millis(1);

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
                    self.questions(question);
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

    /// Answers `first` and some of what waits behind it. Under load they share a snapshot, to begin which takes a third of what most
    /// answers take.
    fn questions(&mut self, first: Question) {
        // Taken before the snapshot begins, which is to show what each of them may expect; half is left to the other readers.
        let behind = (self.short.len() / 2).min(QUESTIONS_PER_SNAPSHOT_MAX - 1);
        let behind: Vec<Question> = self.short.try_iter().take(behind).collect();
        let mut waiting = std::iter::once(first).chain(behind).peekable();
        while waiting.peek().is_some() {
            if let Ok(requests) = self.loads.try_recv() {
                self.load(&requests);
            }
            self.answer(&mut waiting);
        }
    }

    /// Answers one question at least, and more as long as the snapshot may last.
    fn answer(&mut self, questions: &mut dyn Iterator<Item = Question>) {
        let (shared, recorder) = (&self.shared, &self.recorder);
        let begun = Instant::now();
        let mut last = begun;
        let read = self.reader.snapshot(&mut |snapshot| {
            for question in &mut *questions {
                let answer = query::answer(snapshot, &question.query);
                reply(shared, question, answer);
                let answered = Instant::now();
                let took = Histogram::QueryDuration(ReaderQueue::Short);
                recorder.time(took, answered - last);
                last = answered;
                if answered - begun >= SHARED_SNAPSHOT_MAX {
                    break;
                }
            }
            Ok(())
        });
        if let Err(error) = read {
            // None was answered.
            for question in questions {
                reply(shared, question, Err(StoreError(error.0.clone())));
            }
        }
    }

    fn long_question(&mut self, question: Question) {
        let begun = Instant::now();
        let answer = query::ask(&mut *self.reader, &question.query);
        let took = Histogram::QueryDuration(ReaderQueue::Heavy);
        self.recorder.time(took, begun.elapsed());
        reply(&self.shared, question, answer);
    }

    fn heavy(&mut self, task: Heavy) {
        match task {
            Heavy::Query(question) => self.long_question(question),
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
                    failed(
                        &self.shared,
                        &StoreError(format!("keeping an upload: {error}")),
                    )
                });
                push(&self.shared, shard, Entry::Saved(call, saved));
            }
            Heavy::Serve {
                shard,
                call,
                name,
                request,
            } => {
                let page = self.serve(&name, &request);
                push(&self.shared, shard, Entry::Page(call, page));
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
                failed(
                    &self.shared,
                    &StoreError(format!("serving an upload: {error}")),
                );
                Page::text(500, "the file cannot be read")
            }
        }
    }
}

fn failed(shared: &Shared, error: &StoreError) -> Refusal {
    shared.log(LogLevel::Error, &format!("a reader failed: {error}"));
    Refusal::Failure
}

fn reply(shared: &Shared, question: Question, answer: Result<Answered, StoreError>) {
    let entry = Entry::Read {
        purpose: question.purpose,
        result: answer.map_err(|error| failed(shared, &error)),
    };
    push(shared, question.shard, entry);
}

fn push(shared: &Shared, shard: usize, entry: Entry) {
    if let Some(inbox) = shared.inboxes.get(shard) {
        inbox.push(entry);
        inbox.wake();
    }
}
