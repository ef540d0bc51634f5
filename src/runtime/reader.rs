//! The readers' threads: loads for the writer, queries for shards, files.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::admin::metrics::{Counter, Gauge, Histogram, ReaderQueue, Recorder};
use crate::config::LogLevel;
use crate::conn::{Page, PageRequest};
use crate::domain::command::Refusal;
use crate::domain::query::Answered;
use crate::media::serve::FileRequest;
use crate::media::store::MediaStore;
use crate::proto::http::head::Method;
use crate::runtime::inbox::{Entry, Question};
use crate::runtime::shared::Shared;
use crate::runtime::work_queue::{Heavy, Work, WorkQueue};
use crate::runtime::writer::ToWriter;
use crate::store::writer::LoadRequest;
use crate::store::{Reader, StoreError, load, query};

/// A snapshot takes no further question after so long.
const SHARED_SNAPSHOT_MAX: Duration = Duration::from_millis(1);

/// A reader with all that its thread needs.
pub struct ReaderThread {
    /// The store's reading side.
    pub reader: Box<dyn Reader>,
    /// Uploads.
    pub media: Arc<MediaStore>,
    /// What there is to do.
    pub queue: Arc<WorkQueue>,
    /// Whether it takes what takes long, too; only some readers do.
    pub takes_heavy: bool,
    /// To the writer.
    pub writer: Sender<ToWriter>,
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// Counts for this thread.
    pub recorder: Recorder,
}

impl ReaderThread {
    /// Runs until the queue is closed and holds nothing for this reader.
    pub fn run(mut self) {
        while let Some(work) = self.queue.take(self.takes_heavy) {
            match work {
                Work::Loads(requests) => self.load(&requests),
                Work::Questions(questions) => {
                    self.taken(ReaderQueue::Short, questions.len());
                    self.questions(questions.into_iter());
                }
                Work::Heavy(task) => {
                    self.taken(ReaderQueue::Heavy, 1);
                    self.heavy(task);
                }
            }
        }
    }

    fn taken(&self, queue: ReaderQueue, count: usize) {
        self.recorder.sub(Gauge::ReaderQueue(queue), count as u64);
    }

    fn load(&mut self, requests: &[LoadRequest]) {
        let loaded = load::fetch_all(&mut *self.reader, requests);
        // The channel holds every load that can be under way; a writer that is gone needs no answer.
        let _ = self.writer.send(ToWriter::Loaded(loaded));
    }

    /// Answers what was taken at once. Under load that is several questions, which share a snapshot: to begin it takes a third of what
    /// most answers take. They were taken before the snapshot begins, which is to show what each of them may expect.
    fn questions(&mut self, questions: impl Iterator<Item = Question>) {
        let mut questions = questions.peekable();
        loop {
            self.answer(&mut questions);
            if questions.peek().is_none() {
                return;
            }
            if let Some(requests) = self.queue.try_take_loads() {
                self.load(&requests);
            }
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
