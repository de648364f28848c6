//! Work spread over as many threads as [`run`] was told, or as rayon's global pool has. Kernels spread theirs over
//! a team that waits for it awake; everything else goes over rayon's pool of the same size, which sleeps
//! meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::team::{Team, is_helper};

/// Below this many elementary operations a second thread costs more than it saves.
const WORTH_SPREADING: usize = 1 << 16;

/// Over how many threads this one may spread work.
pub fn count() -> usize {
    if is_helper() { 1 } else { rayon::current_num_threads() }
}

/// Runs `task` for every number below `tasks`, on several threads where `work` (multiplications, about) is
/// worth it.
pub fn for_each(tasks: usize, work: usize, task: impl Fn(usize) + Sync + Send) {
    if tasks <= 1 || work < WORTH_SPREADING || count() == 1 {
        (0..tasks).for_each(task);
    } else {
        team(count()).run(tasks, &task);
    }
}

/// The team of so many threads.
fn team(count: usize) -> Arc<Team> {
    static TEAMS: Mutex<BTreeMap<usize, Arc<Team>>> = Mutex::new(BTreeMap::new());
    let mut teams = TEAMS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(teams.entry(count).or_insert_with(|| Arc::new(Team::new(count))))
}

/// [`for_each`] in a few runs of neighbouring numbers a thread: what lies side by side in memory is read front to
/// back.
pub(super) fn for_each_in_runs(tasks: usize, work: usize, task: impl Fn(usize) + Sync + Send) {
    let run = tasks.div_ceil(4 * count()).max(1);
    for_each(tasks.div_ceil(run), work, |first| (first * run..tasks.min((first + 1) * run)).for_each(&task));
}

/// `make` of every number below `count`, in order, made on several threads where `work` (as in [`for_each`]) is worth
/// it.
pub fn map<T: Send + Sync>(count: usize, work: usize, make: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    let slots: Vec<OnceLock<T>> = (0..count).map(|_| OnceLock::new()).collect();
    for_each(count, work, |at| drop(slots[at].set(make(at))));
    slots.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// A pointer that several threads may write through, each to its own part.
#[derive(Clone, Copy)]
pub(super) struct SharedPtr(pub *mut f32);

// SAFETY: whoever makes one hands out disjoint parts.
unsafe impl Send for SharedPtr {}
// SAFETY: as above.
unsafe impl Sync for SharedPtr {}

impl SharedPtr {
    /// The address of element `at`.
    ///
    /// # Safety
    /// `at` lies within the allocation, and no other thread uses what the caller does there.
    pub unsafe fn at(self, at: usize) -> *mut f32 {
        unsafe { self.0.add(at) }
    }
}

/// A vector of `len` values that `fill` writes, all of them.
///
/// # Safety
/// `fill` must have written every one of the `len` values behind its pointer.
pub(super) unsafe fn filled_vec(len: usize, fill: impl FnOnce(SharedPtr)) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    fill(SharedPtr(values.as_mut_ptr()));
    // SAFETY: the caller's promise.
    unsafe { values.set_len(len) };
    values
}

/// How many threads are used when nobody says: one for each physical core that this process may use. A
/// second thread on a core shares its multipliers and only adds to what it waits for.
pub fn default_count() -> usize {
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    num_cpus::get_physical().clamp(1, allowed)
}

/// Runs `work` with `count` threads (at least one): all that it spreads goes over these, and no others.
pub fn run<T: Send>(count: usize, work: impl FnOnce() -> T + Send) -> T {
    static POOLS: OnceLock<Mutex<BTreeMap<usize, Arc<ThreadPool>>>> = OnceLock::new();
    let count = count.max(1);
    if count == rayon::current_num_threads() && rayon::current_thread_index().is_some() {
        return work();
    }
    let mut pools = POOLS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let pool = match pools.get(&count) {
        Some(pool) => pool.clone(),
        None => {
            let name = |index| format!("engine-{index}");
            let Ok(pool) = ThreadPoolBuilder::new().num_threads(count).thread_name(name).build() else {
                // The system gives no more threads: go on with those there are.
                drop(pools);
                return work();
            };
            pools.entry(count).or_insert(Arc::new(pool)).clone()
        }
    };
    drop(pools);
    pool.install(work)
}
