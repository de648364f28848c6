//! Tables and drawings of patching effects.

use std::collections::BTreeMap;

use super::drawing::Drawing;
use super::figure::map::MapDrawing;
use super::figure::table::TitledTable;
use super::table::{Cell, Table};
use crate::analysis::patching::{ActivationKind, PatchEffects, PatchedLink};
use crate::site::Kind;

/// Effects of patching with the labels of the positions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelledEffects {
    /// Kind of the activations.
    pub kind: ActivationKind,
    /// The effects.
    pub effects: PatchEffects,
    /// Labels of the corrupt run's source tokens.
    pub source: Vec<String>,
    /// Labels of the decoder's rows.
    pub rows: Vec<String>,
}

impl LabelledEffects {
    /// Returns the label of a position of encoder or decoder.
    fn label(&self, kind: Kind, position: usize) -> Cell {
        let labels = if kind == Kind::Encoder { &self.source } else { &self.rows };
        labels.get(position).cloned().map_or(Cell::Missing, Cell::Text)
    }

    /// Tabulates every effect, or the `top` largest ones, the largest first.
    pub fn list(&self, top: Option<usize>) -> Table {
        let columns =
            ["what", "kind", "layer", "head", "position", "token", "clean", "corrupt", "patched", "effect"];
        let mut table = Table::new(columns).with_schema("attn-tui patch 1");
        let changes = match top {
            Some(top) => self.effects.strongest(top),
            None => self.effects.changes.clone(),
        };
        for (what, change) in changes {
            let at = Cell::Whole(what.at as i64);
            let [head, position, token] = match what.kind.is_of_heads() {
                true => [at, Cell::Missing, Cell::Missing],
                false => [Cell::Missing, at, self.label(what.site.kind, what.at)],
            };
            table.rows.push(vec![
                Cell::Text(what.kind.name().into()),
                Cell::Text(what.site.kind.name().into()),
                Cell::Whole(what.site.layer as i64),
                head,
                position,
                token,
                Cell::Number(self.effects.clean),
                Cell::Number(self.effects.corrupt),
                Cell::Number(self.effects.corrupt + change),
                Cell::number(self.effects.effect(change)),
            ]);
        }
        table
    }

    /// Tabulates the effects for people: a line for each layer and a column for each head, or a line for each
    /// position and a column for each layer.
    pub fn grid(&self) -> Table {
        let maps = self.effects.maps();
        let number = |value: Option<f32>| Cell::number(value.filter(|value| value.is_finite()));
        if self.kind.is_of_heads() {
            let heads = maps.iter().map(|(_, map)| map.cols()).max().unwrap_or(0);
            let columns = ["kind", "layer"].map(String::from).into_iter();
            let mut table = Table::new(columns.chain((0..heads).map(|head| format!("head {head}"))));
            for (kind, map) in &maps {
                for layer in 0..map.rows() {
                    let mut row = vec![Cell::Text(kind.name().into()), Cell::Whole(layer as i64)];
                    row.extend((0..heads).map(|head| number(map.get(layer, head))));
                    table.rows.push(row);
                }
            }
            return table;
        }
        let output = self.kind == ActivationKind::Encoder;
        let layers = if output { 0 } else { maps.iter().map(|(_, map)| map.rows()).max().unwrap_or(0) };
        let columns = ["kind", "position", "token"].map(String::from).into_iter();
        let columns = columns.chain((0..layers).map(|layer| format!("layer {layer}")));
        let mut table = Table::new(columns.chain(output.then(|| "effect".to_string())));
        for (kind, map) in &maps {
            let first = if output { map.rows().saturating_sub(1) } else { 0 };
            let count = if output { 1 } else { layers };
            for position in 0..map.cols() {
                let values: Vec<_> = (first..first + count).map(|layer| map.get(layer, position)).collect();
                if values.iter().all(|value| value.is_none_or(f32::is_nan)) {
                    continue;
                }
                let position_cell = Cell::Whole(position as i64);
                let mut row =
                    vec![Cell::Text(kind.name().into()), position_cell, self.label(*kind, position)];
                row.extend(values.into_iter().map(number));
                table.rows.push(row);
            }
        }
        table
    }

    /// Draws the `top` largest effects as a table, and a map of all for each kind of site.
    pub fn drawing(&self, top: usize, remark: &str) -> Drawing {
        let table = TitledTable {
            title: "activation patching".into(),
            remark: remark.into(),
            table: self.list(Some(top)),
        };
        let maps = self.effects.maps().into_iter().map(|(kind, map)| {
            let keys = match self.kind.is_of_heads() {
                true => (0..map.cols()).map(|head| format!("head {head}")).collect(),
                false => (0..map.cols()).map(|at| self.label(kind, at).to_text()).collect(),
            };
            let title = format!("{}, {kind}", self.kind);
            Drawing::Map(MapDrawing {
                description: format!("effects of patching {title}, by layer"),
                title,
                remark: "(patched - corrupt) / (clean - corrupt)".into(),
                queries: (0..map.rows()).map(|layer| format!("layer {layer}")).collect(),
                keys,
                map,
                sound: None,
                causal: false,
                signed: true,
                part: None,
            })
        });
        Drawing::Beside(std::iter::once(Drawing::Table(table)).chain(maps).collect())
    }
}

/// Effects of patching single weights with the labels of the positions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelledLinks {
    /// Estimated effects, the largest first.
    pub estimated: PatchEffects<PatchedLink>,
    /// Measured effects of the same links, in any order.
    pub measured: Option<PatchEffects<PatchedLink>>,
    /// Labels of the corrupt run's source tokens.
    pub source: Vec<String>,
    /// Labels of the decoder's rows.
    pub rows: Vec<String>,
    /// Labels of the tokens that the decoder is fed.
    pub fed: Vec<String>,
}

impl LabelledLinks {
    /// Tabulates all links with the scores of the runs, the largest effect first.
    pub fn list(&self) -> Table {
        self.table(true).with_schema("attn-tui patch 1")
    }

    /// Tabulates all links for people.
    pub fn short_list(&self) -> Table {
        self.table(false)
    }

    fn table(&self, scores: bool) -> Table {
        let place = ["kind", "layer", "head", "query", "key", "query_token", "key_token"];
        let mut columns: Vec<_> = place.to_vec();
        if scores {
            columns.insert(0, "what");
            columns.extend(["clean", "corrupt", "patched"]);
        }
        columns.push("effect");
        columns.extend(self.measured.as_ref().map(|_| "estimate"));
        let mut table = Table::new(columns);
        let shown = self.measured.as_ref().unwrap_or(&self.estimated);
        let estimates: BTreeMap<_, _> = self.estimated.changes.iter().copied().collect();
        for (link, change) in shown.strongest(usize::MAX) {
            let PatchedLink { head, query, key } = link;
            let label =
                |labels: &[String], at: usize| labels.get(at).cloned().map_or(Cell::Missing, Cell::Text);
            let queries = if head.kind() == Kind::Encoder { &self.source } else { &self.rows };
            let keys = if head.kind() == Kind::Decoder { &self.fed } else { &self.source };
            let whole = |number: usize| Cell::Whole(number as i64);
            let mut row = vec![
                Cell::Text(head.kind().name().into()),
                whole(head.layer()),
                whole(head.head),
                whole(query),
                whole(key),
                label(queries, query),
                label(keys, key),
            ];
            if scores {
                row.insert(0, Cell::Text("links".into()));
                row.extend([shown.clean, shown.corrupt, shown.corrupt + change].map(Cell::Number));
            }
            row.push(Cell::number(shown.effect(change)));
            if self.measured.is_some() {
                let estimate = estimates.get(&link).and_then(|change| self.estimated.effect(*change));
                row.push(Cell::number(estimate));
            }
            table.rows.push(row);
        }
        table
    }

    /// Draws the links as a table.
    pub fn drawing(&self, remark: &str) -> Drawing {
        let title = "patching of single weights".into();
        Drawing::Table(TitledTable { title, remark: remark.into(), table: self.short_list() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::patching::PatchedActivation;
    use crate::site::{Head, Site};

    fn effects(kind: ActivationKind) -> LabelledEffects {
        let change = |stack, layer, at, change| {
            (PatchedActivation { kind, site: Site::new(stack, layer), at }, change)
        };
        let changes = vec![change(Kind::Encoder, 0, 1, 1.0), change(Kind::Encoder, 1, 0, -2.0)];
        LabelledEffects {
            kind,
            effects: PatchEffects { clean: -1.0, corrupt: -5.0, changes },
            source: vec!["a".into(), "b".into()],
            rows: Vec::new(),
        }
    }

    #[test]
    fn links_rank_by_what_was_measured() {
        let link = |kind, key| PatchedLink { head: Head::new(kind, 0, 2), query: 0, key };
        let [a, b] = [link(Kind::Cross, 1), link(Kind::Decoder, 0)];
        let effects = |changes| PatchEffects { clean: -1.0, corrupt: -5.0, changes };
        let mut links = LabelledLinks {
            estimated: effects(vec![(a, 2.0), (b, -1.0)]),
            measured: None,
            source: vec!["x".into(), "y".into()],
            rows: vec!["> a".into()],
            fed: vec![">".into()],
        };
        let head = "kind,layer,head,query,key,query_token,key_token,effect";
        let lines = format!("{head}\ncross,0,2,0,1,> a,y,0.5\ndecoder,0,2,0,0,> a,>,-0.25\n");
        assert_eq!(links.short_list().to_csv(), lines);
        links.measured = Some(effects(vec![(a, 0.4), (b, -2.0)]));
        let table = links.list().to_csv();
        let first = table.lines().nth(1);
        assert_eq!(first, Some("links,decoder,0,2,0,0,> a,>,-1,-5,-7,-0.5,-0.25"));
    }

    #[test]
    fn lists_rank_by_size_and_grids_leave_gaps() {
        let heads = effects(ActivationKind::Heads);
        assert_eq!(heads.list(Some(1)).to_csv().lines().nth(1), Some("heads,encoder,1,0,,,-1,-5,-7,-0.5"));
        assert_eq!(heads.list(None).rows.len(), 2);
        assert_eq!(heads.grid().to_csv(), "kind,layer,head 0,head 1\nencoder,0,,0.25\nencoder,1,-0.5,\n");
        let grid = effects(ActivationKind::Resid).grid().to_csv();
        assert_eq!(grid, "kind,position,token,layer 0,layer 1\nencoder,0,a,,-0.5\nencoder,1,b,0.25,\n");
        let output = effects(ActivationKind::Encoder).grid().to_csv();
        assert_eq!(output, "kind,position,token,effect\nencoder,0,a,-0.5\n");
    }
}
