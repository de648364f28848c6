//! A team of threads that spin while they wait for work. A forward pass starts a loop every few hundred
//! microseconds, and waking a sleeping thread takes as long as a small product.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, TryLockError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Time for which a helper spins without work: longer than a pass takes between two products.
const SPIN_TIME: Duration = Duration::from_micros(500);

/// Spins between clock checks.
const SPINS: usize = 256;

type Work<'a> = dyn Fn(usize) + Sync + 'a;

thread_local! {
    static IS_HELPER: Cell<bool> = const { Cell::new(false) };
}

/// Returns true if the calling thread is a helper of a team, which uses no team itself.
#[inline]
pub(super) fn is_helper() -> bool {
    IS_HELPER.get()
}

/// A fixed number of helper threads, and the caller of [`Team::run`], the lead.
pub(super) struct Team {
    shared: Arc<TeamState>,
    /// Held by the lead during a loop.
    lead: Mutex<()>,
}

/// State that lead and helpers share.
struct TeamState {
    state: AtomicU64,
    work: UnsafeCell<Option<*const Work<'static>>>,
    /// Tasks left for each member, the lead first.
    shares: Box<[TaskRange]>,
    helpers: Box<[Helper]>,
    /// The first panic of a helper.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: only the lead writes `work`, while no helper has joined. A helper reads it between joining and
// leaving, while the lead keeps the closure alive.
unsafe impl Send for TeamState {}
// SAFETY: as for `Send`.
unsafe impl Sync for TeamState {}

/// A helper thread.
#[derive(Default)]
struct Helper {
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

// Fields of `TeamState::state`: the number of helpers that have joined, a flag that is set while they may
// join, and the generation, which counts the loops.
const JOINED: u64 = 0xffff;
const OPEN: u64 = 1 << 16;
const GENERATION: u64 = 1 << 17;

/// A range of tasks `first..end`, stored as `end << 32 | first` in a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct TaskRange(AtomicU64);

impl TaskRange {
    fn set(&self, first: usize, end: usize) {
        self.0.store((end as u64) << 32 | first as u64, Ordering::Relaxed);
    }

    /// Takes a task: the first one for the member that owns the range, the last one for others.
    fn take(&self, own: bool) -> Option<usize> {
        let mut left = self.0.load(Ordering::Relaxed);
        loop {
            let (first, end) = (left & 0xffff_ffff, left >> 32);
            if first >= end {
                return None;
            }
            let (task, rest) =
                if own { (first, end << 32 | (first + 1)) } else { (end - 1, (end - 1) << 32 | first) };
            match self.0.compare_exchange_weak(left, rest, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(task as usize),
                Err(now) => left = now,
            }
        }
    }
}

impl Team {
    /// Creates a team of `count` members including the lead, or fewer if the system has no more threads.
    pub fn new(count: usize) -> Self {
        let helpers = count.clamp(1, JOINED as usize) - 1;
        let shared = Arc::new(TeamState {
            state: AtomicU64::new(0),
            work: UnsafeCell::new(None),
            shares: (0..=helpers).map(|_| TaskRange::default()).collect(),
            helpers: (0..helpers).map(|_| Helper::default()).collect(),
            panic: Mutex::new(None),
        });
        for at in 0..helpers {
            let own = Arc::clone(&shared);
            let spawned =
                std::thread::Builder::new().name(format!("helper-{at}")).spawn(move || own.helper_loop(at));
            if let Ok(thread) = spawned {
                let _ = shared.helpers[at].thread.set(thread.thread().clone());
            }
        }
        Self { shared, lead: Mutex::new(()) }
    }

    /// Calls `work` once with every number below `tasks`, on all members, and returns when all calls have. A
    /// caller that finds the team at work does the work alone.
    pub fn run(&self, tasks: usize, work: &Work) {
        let lead = match self.lead.try_lock() {
            Ok(lead) => lead,
            Err(TryLockError::Poisoned(lead)) => lead.into_inner(),
            Err(TryLockError::WouldBlock) => return (0..tasks).for_each(work),
        };
        if u32::try_from(tasks).is_err() {
            return (0..tasks).for_each(work);
        }
        let shared = &*self.shared;
        let members = shared.shares.len();
        for (at, share) in shared.shares.iter().enumerate() {
            share.set(tasks * at / members, tasks * (at + 1) / members);
        }
        // Discards the panic of a helper that is left if the lead itself panicked last time.
        drop(self.shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take());
        // SAFETY: no helper has joined, so nothing reads `work`; `CloseGuard` waits for all that join before
        // the borrow of the closure ends, so the longer lifetime is never used.
        unsafe { *shared.work.get() = Some(std::mem::transmute::<*const Work, *const Work<'static>>(work)) };
        let closing = CloseGuard(shared);
        let before = shared.state.load(Ordering::Relaxed);
        shared.state.store((before & !(JOINED | OPEN)).wrapping_add(GENERATION) | OPEN, Ordering::SeqCst);
        for helper in &shared.helpers {
            if helper.asleep.swap(false, Ordering::SeqCst)
                && let Some(thread) = helper.thread.get()
            {
                thread.unpark();
            }
        }
        shared.work_on(0, work);
        drop(closing);
        let panic = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(lead);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

/// On drop, stops helpers from joining and waits for those that have.
struct CloseGuard<'a>(&'a TeamState);

impl Drop for CloseGuard<'_> {
    fn drop(&mut self) {
        let state = &self.0.state;
        let mut spins = 0;
        let mut now = state.fetch_and(!OPEN, Ordering::AcqRel);
        while now & JOINED > 0 {
            spins += 1;
            if spins < 1 << 14 {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
            now = state.load(Ordering::Acquire);
        }
    }
}

impl TeamState {
    /// Does the tasks of `member` from the front, then those that others have left from the back, so that
    /// each member mostly works on neighbouring memory.
    fn work_on(&self, member: usize, work: &Work) {
        let members = self.shares.len();
        for at in 0..members {
            let share = &self.shares[(member + at) % members];
            while let Some(task) = share.take(at == 0) {
                work(task);
            }
        }
    }

    /// Joins one loop after the other, for as long as the process lives.
    fn helper_loop(&self, helper: usize) {
        IS_HELPER.set(true);
        let mut seen = 0;
        loop {
            let mut state = self.wait_for_work(helper, seen);
            seen = state / GENERATION;
            while state & OPEN > 0 && state / GENERATION == seen {
                match self.state.compare_exchange_weak(state, state + 1, Ordering::Acquire, Ordering::Relaxed)
                {
                    Ok(_) => {
                        self.work_as_helper(helper);
                        break;
                    }
                    Err(now) => state = now,
                }
            }
        }
    }

    /// Works on the current loop as a helper that has joined.
    fn work_as_helper(&self, helper: usize) {
        // SAFETY: the lead wrote `work` before it let helpers join, and does not write it until this one
        // leaves.
        if let Some(work) = unsafe { *self.work.get() } {
            // SAFETY: the lead keeps the closure alive until this helper leaves.
            let work = unsafe { &*work };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work_on(helper + 1, work))) {
                self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
            }
        }
        self.state.fetch_sub(1, Ordering::Release);
    }

    /// Waits for a loop of another generation than `seen`, and returns the state.
    fn wait_for_work(&self, helper: usize, seen: u64) -> u64 {
        let asleep = &self.helpers[helper].asleep;
        let mut since = Instant::now();
        loop {
            for _ in 0..SPINS {
                let state = self.state.load(Ordering::Relaxed);
                if state / GENERATION != seen {
                    return state;
                }
                std::hint::spin_loop();
            }
            if since.elapsed() > SPIN_TIME {
                asleep.store(true, Ordering::SeqCst);
                while asleep.load(Ordering::SeqCst) && self.state.load(Ordering::SeqCst) / GENERATION == seen
                {
                    std::thread::park();
                }
                asleep.store(false, Ordering::SeqCst);
                since = Instant::now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn every_task_is_done_once_whoever_helps() {
        for count in [1, 2, 5] {
            let team = Team::new(count);
            for round in 0..300 {
                let tasks = round % 23;
                let done: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                if round % 50 == 49 {
                    std::thread::sleep(2 * SPIN_TIME);
                }
                team.run(tasks, &|task| {
                    done[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == 1), "{count} {round}");
            }
        }
    }

    #[test]
    fn helpers_do_help() {
        let team = Team::new(2);
        let others = AtomicUsize::new(0);
        // The first task waits until somebody else has done the second.
        team.run(2, &|task| {
            let start = Instant::now();
            if task == 1 || is_helper() {
                others.fetch_add(1, Ordering::SeqCst);
            }
            while others.load(Ordering::SeqCst) == 0 && start.elapsed() < Duration::from_secs(20) {
                std::thread::yield_now();
            }
        });
        assert!(others.load(Ordering::SeqCst) > 0);
    }

    #[test]
    fn work_within_work_and_from_other_threads_is_done_alone() {
        let team = Team::new(3);
        let sum = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    team.run(10, &|_| team.run(10, &|task| _ = sum.fetch_add(task, Ordering::Relaxed)));
                });
            }
        });
        assert_eq!(sum.into_inner(), 4 * 10 * 45);
    }

    #[test]
    fn a_panic_comes_back_and_the_team_goes_on() {
        let team = Team::new(2);
        for at in [0, 99] {
            let run = || team.run(100, &|task| assert_ne!(task, at));
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
            let sum = AtomicUsize::new(0);
            team.run(100, &|task| _ = sum.fetch_add(task, Ordering::Relaxed));
            assert_eq!(sum.into_inner(), 4950);
        }
    }
}
