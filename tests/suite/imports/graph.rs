//! Resolves imports to files, and finds circles among them.

use std::collections::{BTreeMap, BTreeSet};

use super::module::{Module, Use};
use super::tokens::{tokens, without_tests};

/// Edges between files: (importing file, defining file) to the names imported.
pub type Edges = BTreeMap<(String, String), BTreeSet<String>>;

/// Modules of a crate.
pub struct Graph {
    modules: BTreeMap<Vec<String>, (Module, String)>,
}

/// The module of a source file, given as a path under `src`: `hub/mod.rs` and `hub.rs` are both `hub`.
fn module_path(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(String::from).collect() }
}

impl Graph {
    /// Reads source files, given as (path under `src`, text).
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut modules = BTreeMap::new();
        for (file, text) in files {
            for module in Module::read(module_path(file), &without_tests(&tokens(text))) {
                modules.insert(module.path.clone(), (module, file.to_string()));
            }
        }
        Self { modules }
    }

    /// The imports between files, except those between a module and its own descendants.
    pub fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (module, file) in self.modules.values() {
            let imports = module.uses.iter().map(|import| &import.path).chain(&module.paths);
            for (target, name) in imports.filter_map(|path| self.definition(&module.path, path)) {
                let (from, to) = (module_path(file), module_path(target));
                if !from.starts_with(&to) && !to.starts_with(&from) {
                    edges.entry((file.clone(), target.clone())).or_default().insert(name);
                }
            }
        }
        edges
    }

    /// The file that defines what the longest known part of `path` names, and its name there. `None` if the
    /// path leads out of the crate.
    fn definition(&self, from: &[String], path: &[String]) -> Option<(&String, String)> {
        let place = (1..=path.len()).rev().find_map(|length| self.resolve(from, &path[..length], 0))?;
        let name = place.item.or_else(|| place.module.last().cloned()).unwrap_or_else(|| "crate".into());
        Some((&self.modules.get(&place.module)?.1, name))
    }

    /// Follows a path, as written in the module `from`, to the module that it names or that defines the item
    /// it names.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<Place> {
        let (head, rest) = path.split_first()?;
        match head.as_str() {
            "crate" | "attn_tui" => self.walk(&[], rest, depth),
            "self" => self.walk(from, rest, depth),
            "super" => {
                let (_, parent) = from.split_last()?;
                let supers = rest.iter().take_while(|name| *name == "super").count();
                let up = parent.len().checked_sub(supers)?;
                self.walk(&parent[..up], &rest[supers..], depth)
            }
            _ => self.walk(from, path, depth),
        }
    }

    fn walk(&self, module: &[String], path: &[String], depth: usize) -> Option<Place> {
        const DEEPEST: usize = 24;
        let (this, _) = self.modules.get(module).filter(|_| depth < DEEPEST)?;
        let Some((name, rest)) = path.split_first() else {
            return Some(Place { module: module.to_vec(), item: None });
        };
        let child: Vec<String> = module.iter().chain([name]).cloned().collect();
        if self.modules.contains_key(&child) {
            return self.walk(&child, rest, depth);
        }
        if this.items.contains(name) {
            return Some(Place { module: module.to_vec(), item: Some(name.clone()) });
        }
        let named = |import: &&Use| import.name.as_ref() == Some(name);
        let behind = this.uses.iter().filter(named).find_map(|import| {
            // `use name::…;` of another crate must not be looked up in itself.
            let own = import.path.first() == Some(name);
            let place = (!own).then(|| self.resolve(module, &import.path, depth + 1))??;
            if place.item.is_some() { Some(place) } else { self.walk(&place.module, rest, depth + 1) }
        });
        let globs = this.uses.iter().filter(|import| import.name.is_none());
        behind.or_else(|| {
            globs.into_iter().find_map(|import| {
                let place =
                    self.resolve(module, &import.path, depth + 1).filter(|place| place.item.is_none())?;
                self.walk(&place.module, path, depth + 1)
            })
        })
    }
}

/// A module, or an item in it.
struct Place {
    module: Vec<String>,
    item: Option<String>,
}

/// Groups of files that import one another, each file reaching every other of its group.
pub fn circles(edges: &Edges) -> Vec<BTreeSet<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges.keys() {
        next.entry(from).or_default().push(to);
    }
    let reached = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), next.get(from).cloned().unwrap_or_default());
        while let Some(file) = open.pop() {
            if seen.insert(file) {
                open.extend(next.get(file).into_iter().flatten());
            }
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|file| (*file, reached(file))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (file, ends) in reached.iter().filter(|(file, ends)| ends.contains(*file)) {
        if !circles.iter().any(|circle| circle.contains(*file)) {
            let back = |end: &&&str| reached.get(**end).is_some_and(|ends| ends.contains(file));
            circles.push(ends.iter().filter(back).map(|end| end.to_string()).collect());
        }
    }
    circles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(files: &[(&str, &str)]) -> Vec<String> {
        let edges = Graph::read(files.iter().copied()).edges();
        let line = |((from, to), names): (_, BTreeSet<String>)| {
            format!("{from} -> {to}: {}", names.into_iter().collect::<Vec<_>>().join(", "))
        };
        edges.into_iter().map(line).collect()
    }

    #[test]
    fn every_way_to_import_is_seen() {
        let hub = ("hub/mod.rs", "mod cache; pub fn find() {} pub struct Hub;");
        let cache = ("hub/cache.rs", "pub struct Cache;");
        let of = |path, code| edges(&[("lib.rs", "pub mod hub;"), hub, cache, (path, code)]);
        let import = |names: &str| vec![format!("nn/a.rs -> hub/mod.rs: {names}")];
        assert_eq!(of("nn/a.rs", "use crate::hub::Hub;"), import("Hub"));
        assert_eq!(
            of("nn/a.rs", "use crate::{error::E, hub::{self, Hub, find as f}};"),
            import("Hub, find, hub")
        );
        assert_eq!(of("nn/a.rs", "fn a() { crate::hub::find(); } // crate::hub::Hub"), import("find"));
        assert_eq!(of("nn/a.rs", "mod b { use super::super::super::hub::Hub; }"), import("Hub"));
        assert_eq!(of("nn/a.rs", "mod b { use crate::hub::Hub; }"), import("Hub"));
        assert_eq!(
            of("nn/a.rs", "use crate::hub; fn a() -> hub::Hub { hub::find() }"),
            import("Hub, find, hub")
        );
        assert_eq!(of("nn/a.rs", "#[cfg(test)] mod tests { use crate::hub::Hub; }"), [] as [&str; 0]);
        assert_eq!(of("nn.rs", "use super::hub::*;"), ["nn.rs -> hub/mod.rs: hub"]);
        assert_eq!(of("nn.rs", "use hub::Hub; use std::fmt;"), [] as [&str; 0], "a crate named hub");
        assert_eq!(
            of("hub/part.rs", "use super::{Hub, cache::Cache};"),
            ["hub/part.rs -> hub/cache.rs: Cache"]
        );
    }

    #[test]
    fn re_exports_lead_to_the_file_that_defines_the_name() {
        let files = [
            ("lib.rs", "pub mod nn; pub mod model; pub mod cli;"),
            ("nn/mod.rs", "mod pool; pub use pool::{Pool as Threads, run}; pub use self::pool as threads;"),
            ("nn/pool.rs", "pub struct Pool; pub fn run() {}"),
            ("model/mod.rs", "pub use crate::nn::threads; pub use crate::nn::*;"),
            ("cli.rs", "use crate::model::{Threads, threads}; fn main() { threads::run(); Threads::new(); }"),
            ("show.rs", "use crate::model; fn show() { model::run() }"),
        ];
        assert_eq!(
            edges(&files),
            [
                "cli.rs -> nn/pool.rs: Pool, pool, run",
                "model/mod.rs -> nn/mod.rs: nn",
                "model/mod.rs -> nn/pool.rs: pool",
                "show.rs -> model/mod.rs: model",
                "show.rs -> nn/pool.rs: run",
            ]
        );
    }

    #[test]
    fn circles_are_found_behind_a_face_and_not_between_a_module_and_its_children() {
        let files = [
            ("lib.rs", "mod tour; mod paint;"),
            ("tour/mod.rs", "mod play; mod values; pub use play::Spot; use values::find; pub struct Tour;"),
            ("tour/play.rs", "use super::values::find; use super::Tour; pub struct Spot;"),
            ("tour/values.rs", "use super::Spot; pub fn find() {}"),
            ("paint.rs", "use crate::tour::Tour;"),
        ];
        let found = circles(&Graph::read(files).edges());
        assert_eq!(found, [["tour/play.rs", "tour/values.rs"].map(String::from).into()]);
    }
}
