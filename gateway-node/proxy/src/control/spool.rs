//! Usage until the control plane has it: batches on disk, named by generation (a run of this node)
//! and sequence.
//!
//! A batch that may have been sent is never changed, since the control plane applies a sequence
//! once, whatever it held. So counts are added to the last batch only while it was not tried, and
//! a full spool folds and drops only what was never tried. Sequences without a batch are sent
//! empty. Where the disk takes no more, batches live in memory and are sent all the same.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use prost::Message;
use snapshot::usage::UsageBatch;

use super::counts::Counts;
use super::state_dir::StateDir;

const DIR: &str = "usage";
const INCARNATION: &str = "incarnation";
/// The last batch is added to up to this many entries while it waits: each time rewrites it.
const OPEN_ENTRIES_MAX: usize = 4_000;
/// A full spool is brought down to this part of its bound, so that it is not full again at once.
const GOAL_PERCENT: u64 = 80;
/// Batches that the disk does not take are held in memory up to this many bytes.
const MEMORY_BYTES_MAX: u64 = 8 << 20;

/// Where a batch stands: runs of the node in order, and sequences within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    generation: u64,
    sequence: u64,
}

/// A batch in the form in which it is sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) place: Place,
    pub(crate) body: Vec<u8>,
}

/// What the spool holds, for health and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpoolSize {
    pub(crate) batches: u64,
    pub(crate) bytes: u64,
    /// Requests whose counts this run had to drop.
    pub(crate) dropped: u64,
}

#[derive(Debug)]
pub(crate) struct Spool {
    dir: Arc<StateDir>,
    bytes_max: u64,
    generation: u64,
    next_sequence: u64,
    /// By generation: the incarnation that the control plane knows it by.
    incarnations: BTreeMap<u64, u64>,
    batches: BTreeMap<Place, Held>,
    /// By generation: the sequence that the control plane said it expects.
    expected: BTreeMap<u64, u64>,
    /// The highest place that was tried in this run.
    tried: Option<Place>,
    /// Requests whose loss the next batch has to report.
    dropped: u64,
    dropped_total: u64,
}

#[derive(Debug)]
struct Held {
    /// Folding put the counts of all sequences up to this one here.
    last: u64,
    bytes: u64,
    /// The file holds all of it.
    is_written: bool,
    /// Set while counts can be added, and while they are not written.
    counts: Option<Counts>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct StoredIncarnation {
    #[prost(uint64, tag = "1")]
    incarnation: u64,
}

impl Spool {
    /// Finds what earlier runs left. What a run without an incarnation left was never sent: it
    /// becomes this run's first batches.
    pub(crate) fn open(dir: Arc<StateDir>, bytes_max: u64) -> io::Result<Self> {
        dir.create_dir(DIR)?;
        let mut spool = Self {
            dir,
            bytes_max,
            generation: 1,
            next_sequence: 1,
            incarnations: BTreeMap::new(),
            batches: BTreeMap::new(),
            expected: BTreeMap::new(),
            tried: None,
            dropped: 0,
            dropped_total: 0,
        };
        let mut unusable = Vec::new();
        for (name, bytes) in spool.dir.list(DIR)? {
            let Some((generation, rest)) = split_name(&name) else {
                continue;
            };
            spool.generation = spool.generation.max(generation + 1);
            if rest != INCARNATION {
                spool.find_batch(generation, rest, bytes);
            } else if !spool.load_incarnation(generation) {
                unusable.push(generation);
            }
        }
        spool.remove_covered();
        for generation in unusable {
            spool.give_up_generation(generation);
        }
        spool.adopt_unsent()?;
        Ok(spool)
    }

    /// Names the incarnation of this run, before anything of it is sent.
    pub(crate) fn set_incarnation(&mut self, incarnation: u64) -> io::Result<()> {
        let stored = StoredIncarnation { incarnation };
        let written = self
            .dir
            .write(&incarnation_name(self.generation), &stored.encode_to_vec());
        self.incarnations.insert(self.generation, incarnation);
        written
    }

    /// Takes counts in; they are on disk when this returns `Ok`, in memory otherwise.
    pub(crate) fn put(&mut self, mut counts: Counts) -> io::Result<()> {
        counts.note_dropped(std::mem::take(&mut self.dropped));
        let mut result = Ok(());
        while !counts.is_empty() {
            let batch = counts.split_batch();
            let place = self.place_for(&batch);
            let held = self.batches.entry(place).or_insert(Held {
                last: place.sequence,
                bytes: 0,
                is_written: false,
                counts: None,
            });
            held.counts.get_or_insert_default().merge(batch);
            result = self.write(place).and(result);
        }
        if self.size().bytes > self.bytes_max || self.unwritten_bytes() > MEMORY_BYTES_MAX {
            result = self.make_room().and(result);
        }
        result
    }

    /// The batch to send next, oldest run first; from now on it does not change.
    pub(crate) fn next(&mut self) -> Option<Outgoing> {
        let (first, _) = self.batches.first_key_value()?;
        let mut place = *first;
        let incarnation = *self.incarnations.get(&place.generation)?;
        if let Some(expected) = self.expected.get(&place.generation) {
            place.sequence = place.sequence.min(*expected);
        }
        self.tried = self.tried.max(Some(place));
        let batch = self.load(place).unwrap_or_else(|cause| {
            tracing::error!(?place, %cause, "a batch of usage cannot be read and is sent empty");
            Counts::default()
        });
        let body = UsageBatch {
            incarnation,
            sequence: place.sequence,
            ..batch.to_batch()
        };
        Some(Outgoing {
            place,
            body: body.encode_to_vec(),
        })
    }

    /// Forgets what the control plane has applied. `false`: it expects an earlier sequence first.
    pub(crate) fn acknowledge(&mut self, place: Place, applied_sequence: u64) -> bool {
        let generation = place.generation;
        let from = Place {
            generation,
            sequence: 0,
        };
        let to = Place {
            generation,
            sequence: applied_sequence,
        };
        let applied: Vec<Place> = self.batches.range(from..=to).map(|(p, _)| *p).collect();
        for place in applied {
            self.remove(place);
        }
        self.expected.insert(generation, applied_sequence + 1);
        if generation == self.generation {
            self.next_sequence = self.next_sequence.max(applied_sequence + 1);
        } else if self.batches.range(from..).next().map(|(p, _)| p.generation) != Some(generation) {
            self.incarnations.remove(&generation);
            self.remove_file(&incarnation_name(generation));
        }
        applied_sequence >= place.sequence
    }

    pub(crate) fn size(&self) -> SpoolSize {
        SpoolSize {
            batches: self.batches.len() as u64,
            bytes: self.batches.values().map(|held| held.bytes).sum(),
            dropped: self.dropped_total,
        }
    }

    fn unwritten_bytes(&self) -> u64 {
        let unwritten = self.batches.values().filter(|held| !held.is_written);
        unwritten.map(|held| held.bytes).sum()
    }

    /// The last batch while counts can be added to it, else a new one.
    fn place_for(&mut self, batch: &Counts) -> Place {
        if let Some((last, held)) = self.batches.last_key_value()
            && let Some(open) = &held.counts
            && last.generation == self.generation
            && Some(*last) > self.tried
            && open.entries() + batch.entries() <= OPEN_ENTRIES_MAX
        {
            return *last;
        }
        // The batch before is complete; it needs memory only if the disk does not have it.
        if let Some(mut before) = self.batches.last_entry()
            && before.get().is_written
        {
            before.get_mut().counts = None;
        }
        let place = Place {
            generation: self.generation,
            sequence: self.next_sequence,
        };
        self.next_sequence += 1;
        place
    }

    /// Folds to hours what was never tried; if that frees too little, drops the oldest of it.
    fn make_room(&mut self) -> io::Result<()> {
        let goal = self.bytes_max / 100 * GOAL_PERCENT;
        let folded = self.fold();
        for place in self.untried() {
            if self.size().bytes <= goal && self.unwritten_bytes() <= MEMORY_BYTES_MAX {
                break;
            }
            self.give_up(place);
        }
        tracing::warn!(
            bytes = self.size().bytes,
            dropped = self.dropped_total,
            "usage spool was full"
        );
        folded
    }

    fn fold(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        let mut run: Option<(Place, u64, Counts)> = None;
        for place in self.untried() {
            let last = self
                .batches
                .get(&place)
                .map_or(place.sequence, |held| held.last);
            let Ok(counts) = self.load(place) else {
                self.give_up(place);
                continue;
            };
            let counts = counts.fold_to_hours();
            run = match run.take() {
                Some((first, _, mut sum))
                    if first.generation == place.generation && !sum.is_full_with(&counts) =>
                {
                    sum.merge(counts);
                    Some((first, last, sum))
                }
                before => {
                    if let Some((first, last, sum)) = before {
                        result = self.replace(first, last, &sum).and(result);
                    }
                    Some((place, last, counts))
                }
            };
        }
        if let Some((first, last, sum)) = run {
            result = self.replace(first, last, &sum).and(result);
        }
        result
    }

    /// Puts the folded counts of the sequences from `first` to `last` where the first one stood.
    /// The name says so, so that after a crash in between the old files are known as covered.
    fn replace(&mut self, first: Place, last: u64, sum: &Counts) -> io::Result<()> {
        let old: Vec<Place> = self.batches.range(first..).map(|(p, _)| *p).collect();
        let old = old
            .into_iter()
            .filter(|place| place.generation == first.generation && place.sequence <= last);
        let old: Vec<(Place, u64)> = old
            .map(|place| (place, self.batches.get(&place).map_or(0, |held| held.last)))
            .collect();
        let payload = sum.to_batch().encode_to_vec();
        self.dir.write(&batch_name(first, last), &payload)?;
        for (place, its_last) in old {
            self.batches.remove(&place);
            if (place, its_last) != (first, last) {
                self.remove_file(&batch_name(place, its_last));
            }
        }
        self.batches.insert(
            first,
            Held {
                last,
                bytes: payload.len() as u64,
                is_written: true,
                counts: None,
            },
        );
        Ok(())
    }

    /// What certainly was not sent: all that is above the highest tried place; of earlier runs all
    /// but the first.
    fn untried(&self) -> Vec<Place> {
        let mut generation = None;
        let mut found = Vec::new();
        for place in self.batches.keys() {
            let is_first = generation.replace(place.generation) != Some(place.generation);
            let may_be_tried = is_first && place.generation != self.generation;
            if !may_be_tried && Some(*place) > self.tried {
                found.push(*place);
            }
        }
        found
    }

    fn write(&mut self, place: Place) -> io::Result<()> {
        let Some(held) = self.batches.get_mut(&place) else {
            return Ok(());
        };
        let Some(counts) = &held.counts else {
            return Ok(());
        };
        let payload = counts.to_batch().encode_to_vec();
        let written = self.dir.write(&batch_name(place, held.last), &payload);
        held.is_written = written.is_ok();
        held.bytes = payload.len() as u64;
        written
    }

    fn load(&self, place: Place) -> io::Result<Counts> {
        let Some(held) = self.batches.get(&place) else {
            return Ok(Counts::default());
        };
        match &held.counts {
            Some(counts) => Counts::from_batch(counts.to_batch()).map_err(io::Error::other),
            None => read_batch(&self.dir, &batch_name(place, held.last)),
        }
    }

    /// Drops a batch and keeps the number of requests that it stood for.
    fn give_up(&mut self, place: Place) {
        if let Ok(mut counts) = self.load(place) {
            self.dropped_total += counts.drop_all();
            self.dropped += counts.dropped();
        }
        self.remove(place);
    }

    fn give_up_generation(&mut self, generation: u64) {
        let places: Vec<Place> = self.batches.keys().copied().collect();
        for place in places.into_iter().filter(|p| p.generation == generation) {
            self.give_up(place);
        }
        self.remove_file(&incarnation_name(generation));
    }

    fn remove(&mut self, place: Place) {
        if let Some(held) = self.batches.remove(&place) {
            self.remove_file(&batch_name(place, held.last));
        }
    }

    fn remove_file(&self, name: &str) {
        if let Err(cause) = self.dir.remove(name) {
            tracing::warn!(name, %cause, "could not remove a file of the usage spool");
        }
    }

    fn find_batch(&mut self, generation: u64, rest: &str, bytes: u64) {
        let (first, last) = rest.split_once('-').unwrap_or((rest, rest));
        let (Ok(sequence), Ok(last)) = (first.parse(), last.parse()) else {
            return;
        };
        let place = Place {
            generation,
            sequence,
        };
        let held = Held {
            last,
            bytes,
            is_written: true,
            counts: None,
        };
        match self.batches.get(&place) {
            Some(other) if other.last >= last => self.remove_file(&batch_name(place, last)),
            Some(other) => {
                self.remove_file(&batch_name(place, other.last));
                self.batches.insert(place, held);
            }
            None => drop(self.batches.insert(place, held)),
        }
    }

    /// Finishes a folding that a crash cut off.
    fn remove_covered(&mut self) {
        let mut covered: Option<(u64, u64)> = None;
        let places: Vec<(Place, u64)> = self.batches.iter().map(|(p, h)| (*p, h.last)).collect();
        for (place, last) in places {
            match covered {
                Some((generation, until))
                    if generation == place.generation && place.sequence <= until =>
                {
                    self.remove(place);
                }
                _ => covered = Some((place.generation, last)),
            }
        }
    }

    /// `false` if the generation has a name that cannot be read.
    fn load_incarnation(&mut self, generation: u64) -> bool {
        let read = self.dir.read(&incarnation_name(generation));
        let stored = read.ok().flatten();
        let stored = stored.and_then(|bytes| StoredIncarnation::decode(bytes.as_slice()).ok());
        if let Some(stored) = stored {
            self.incarnations.insert(generation, stored.incarnation);
        } else {
            tracing::error!(
                generation,
                "usage of an earlier run lost its incarnation, it is dropped"
            );
        }
        stored.is_some()
    }

    fn adopt_unsent(&mut self) -> io::Result<()> {
        let places: Vec<Place> = self.batches.keys().copied().collect();
        for old in places {
            if self.incarnations.contains_key(&old.generation) {
                continue;
            }
            let Some(mut held) = self.batches.remove(&old) else {
                continue;
            };
            let place = Place {
                generation: self.generation,
                sequence: self.next_sequence,
            };
            let from = self.dir.path(&batch_name(old, held.last));
            std::fs::rename(from, self.dir.path(&batch_name(place, place.sequence)))?;
            held.last = place.sequence;
            self.batches.insert(place, held);
            self.next_sequence += 1;
        }
        Ok(())
    }
}

fn read_batch(dir: &StateDir, name: &str) -> io::Result<Counts> {
    let bytes = dir
        .read(name)
        .map_err(io::Error::other)?
        .unwrap_or_default();
    let batch = UsageBatch::decode(bytes.as_slice()).map_err(io::Error::other)?;
    Counts::from_batch(batch).map_err(io::Error::other)
}

fn split_name(name: &str) -> Option<(u64, &str)> {
    let (generation, rest) = name.split_once('-')?;
    Some((generation.parse().ok()?, rest))
}

fn batch_name(place: Place, last: u64) -> String {
    let Place {
        generation,
        sequence,
    } = place;
    if last == sequence {
        format!("{DIR}/{generation:010}-{sequence:010}")
    } else {
        format!("{DIR}/{generation:010}-{sequence:010}-{last:010}")
    }
}

fn incarnation_name(generation: u64) -> String {
    format!("{DIR}/{generation:010}-{INCARNATION}")
}

#[cfg(test)]
mod tests;
