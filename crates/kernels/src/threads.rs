//! The number of threads, and loops over them.
//!
//! [`run`] sets the number of threads for all work within; elsewhere it is that of rayon's global pool.
//! Kernels run on a team of threads that spin between loops, everything else on a rayon pool of the same
//! size.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::team::{Team, is_helper};

/// Number of elementary operations below which a second thread costs more than it saves.
const WORTH_SPREADING: usize = 1 << 16;

/// Returns how many threads the calling thread may use.
#[inline]
pub fn count() -> usize {
    if is_helper() { 1 } else { rayon::current_num_threads() }
}

/// Returns true on a thread of a pool, such as within [`run`].
pub fn in_pool() -> bool {
    rayon::current_thread_index().is_some()
}

/// Calls `task` with every number below `tasks`, on several threads if `work`, the approximate number of
/// multiplications in total, is worth it.
pub fn for_each(tasks: usize, work: usize, task: impl Fn(usize) + Sync + Send) {
    if tasks <= 1 || work < WORTH_SPREADING || count() == 1 {
        (0..tasks).for_each(task);
    } else {
        team(count()).run(tasks, &task);
    }
}

/// Returns the team of `count` threads, which is created on first use.
fn team(count: usize) -> Arc<Team> {
    static TEAMS: Mutex<BTreeMap<usize, Arc<Team>>> = Mutex::new(BTreeMap::new());
    let mut teams = TEAMS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(teams.entry(count).or_insert_with(|| Arc::new(Team::new(count))))
}

/// Like [`for_each`], with a few runs of consecutive numbers for each thread, so that each reads memory in
/// order.
pub(super) fn for_each_in_runs(tasks: usize, work: usize, task: impl Fn(usize) + Sync + Send) {
    let run = tasks.div_ceil(4 * count()).max(1);
    for_each(tasks.div_ceil(run), work, |first| (first * run..tasks.min((first + 1) * run)).for_each(&task));
}

/// Returns `make` of every number below `count`, in order, computed like [`for_each`].
pub fn map<T: Send + Sync>(count: usize, work: usize, make: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    let slots: Vec<OnceLock<T>> = (0..count).map(|_| OnceLock::new()).collect();
    for_each(count, work, |at| drop(slots[at].set(make(at))));
    slots.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// A pointer into a buffer that several threads write, each to its own part.
pub(super) struct SharedPtr<T = f32>(pub *mut T);

// SAFETY: the pointer is only used through `at`, whose callers ensure that no two threads share a part.
unsafe impl<T> Send for SharedPtr<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for SharedPtr<T> {}

impl<T> Clone for SharedPtr<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedPtr<T> {}

impl<T> SharedPtr<T> {
    /// Returns the address of element `at`.
    ///
    /// # Safety
    /// `at` lies within the buffer, and no other thread accesses the elements that the caller uses from
    /// there.
    #[inline]
    pub unsafe fn at(self, at: usize) -> *mut T {
        // SAFETY: the caller ensures that the element is in the buffer.
        unsafe { self.0.add(at) }
    }
}

/// Returns a vector of `len` values that `fill` writes, without clearing it first.
///
/// # Safety
/// `fill` writes all `len` values behind its pointer.
pub(super) unsafe fn filled_vec(len: usize, fill: impl FnOnce(SharedPtr)) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    fill(SharedPtr(values.as_mut_ptr()));
    // SAFETY: the capacity is at least `len`, and the caller ensures that all values are written.
    unsafe { values.set_len(len) };
    values
}

/// Returns the default number of threads: the physical cores that this process may use. A second thread on a
/// core shares its arithmetic units and only adds waiting.
pub fn default_count() -> usize {
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    num_cpus::get_physical().clamp(1, allowed)
}

/// Runs `work` with `count` threads (at least one) for all its loops, and rayon's.
pub fn run<T: Send>(count: usize, work: impl FnOnce() -> T + Send) -> T {
    static POOLS: OnceLock<Mutex<BTreeMap<usize, Arc<ThreadPool>>>> = OnceLock::new();
    let count = count.max(1);
    if count == rayon::current_num_threads() && in_pool() {
        return work();
    }
    let mut pools = POOLS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let pool = match pools.get(&count) {
        Some(pool) => pool.clone(),
        None => {
            let name = |index| format!("engine-{index}");
            let Ok(pool) = ThreadPoolBuilder::new().num_threads(count).thread_name(name).build() else {
                // The system has no more threads: go on with the current ones.
                drop(pools);
                return work();
            };
            pools.entry(count).or_insert(Arc::new(pool)).clone()
        }
    };
    drop(pools);
    pool.install(work)
}
