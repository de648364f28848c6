//! Exports of a real capture: their values and shapes, and the contents of pictures.

use std::io::Read;

use attn_tui::capture::{self, Capture, SiteLayout};
use attn_tui::error::Error;
use attn_tui::export::ansi::Colors;
use attn_tui::export::figure::{FigureStyle, FigureTheme};
use attn_tui::export::format::{Format, export};
use attn_tui::export::options::{FigureKind, Options};
use attn_tui::export::select::HeadSelection;
use attn_tui::paint::{Colormap, Curve, Range, Scale};
use attn_tui::site::{Head, Kind, Site};
use serde_json::Value;

fn demo() -> Capture {
    capture::read("tests/fixtures/captures/demo.safetensors".as_ref()).unwrap()
}

fn chosen(kind: Kind, layer: usize, head: usize) -> HeadSelection {
    HeadSelection { kind: Some(kind), layer: Some(layer), head: Some(head) }
}

fn options(selection: HeadSelection) -> Options {
    Options {
        selection,
        layout: SiteLayout::Plain,
        figure: FigureKind::Auto,
        query: None,
        style: FigureStyle {
            theme: FigureTheme::Light,
            colormap: Colormap::Viridis,
            scale: Scale::new(Curve::Linear, Range::Map),
            values: false,
        },
        pixels: 1.0,
        font: None,
        colors: Colors::None,
    }
}

fn bytes(capture: &Capture, format: Format, options: &Options) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(capture, format, options).unwrap().write(&mut bytes).unwrap();
    bytes
}

fn exported(format: Format, options: &Options) -> Vec<u8> {
    bytes(&demo(), format, options)
}

fn refused(format: Format, options: &Options) -> Error {
    export(&demo(), format, options).err().unwrap()
}

fn text(format: Format, options: &Options) -> String {
    String::from_utf8(exported(format, options)).unwrap()
}

#[test]
fn csv_has_a_line_a_weight() {
    let csv = text(Format::Csv, &options(chosen(Kind::Cross, 2, 4)));
    let map = demo().map(Head::new(Kind::Cross, 2, 4)).unwrap();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("kind,layer,head,query,key,query_token,key_token,weight"));
    for (i, j) in (0..13).flat_map(|i| (0..12).map(move |j| (i, j))) {
        let line = lines.next().unwrap();
        assert!(line.starts_with(&format!("cross,2,4,{i},{j},")), "{line}");
        let weight: f32 = line.rsplit(',').next().unwrap().parse().unwrap();
        assert_eq!(Some(weight), map.get(i, j));
    }
    assert_eq!(lines.next(), None);
    let causal = text(Format::Csv, &options(chosen(Kind::Decoder, 0, 0)));
    assert_eq!(causal.lines().count(), 1 + 13 * 14 / 2);
}

#[test]
fn json_gives_back_every_weight() {
    let json: Value = serde_json::from_str(&text(Format::Json, &options(HeadSelection::default()))).unwrap();
    assert_eq!(json["maps"].as_array().unwrap().len(), 3 * 3 * 6);
    assert_eq!(json["source"]["tokens"][1], "▁woman");
    assert_eq!(json["decoder_input"]["ids"][0], 5000);
    let last = &json["maps"][53];
    assert_eq!((&last["kind"], &last["layer"], &last["head"]), (&"cross".into(), &2.into(), &5.into()));
    let map = demo().map(Head::new(Kind::Cross, 2, 5)).unwrap();
    for i in 0..map.rows() {
        for j in 0..map.cols() {
            assert_eq!(last["weights"][i][j].as_f64().map(|w| w as f32), map.get(i, j));
        }
    }
}

#[test]
fn npz_holds_arrays_of_the_documented_names() {
    let file = exported(Format::Npz, &options(HeadSelection::default()));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(file)).unwrap();
    let mut array = |name: &str| {
        let mut bytes = Vec::new();
        archive.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
        let body = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let (head, data) = bytes.split_at(body);
        (String::from_utf8_lossy(&head[10..]).trim().to_string(), data.to_vec())
    };
    let (head, data) = array("cross.2");
    assert_eq!(head, "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 13, 12,), }");
    let weights: Vec<f32> = data.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(weights, *demo().maps.site(Site::new(Kind::Cross, 2)).unwrap().data());
    let (head, data) = array("source_tokens");
    assert_eq!(head, "{'descr': '<U8', 'fortran_order': False, 'shape': (12,), }");
    assert_eq!(data.len(), 12 * 8 * 4);
    assert_eq!(data[..4], ('▁' as u32).to_le_bytes());
    assert!(array("source").0.ends_with("'shape': (), }"));
}

#[test]
fn safetensors_holds_the_chosen_sites() {
    let selection = HeadSelection { kind: Some(Kind::Cross), layer: Some(1), head: None };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    std::fs::write(&path, exported(Format::Safetensors, &options(selection))).unwrap();
    let capture = capture::read(&path).unwrap();
    assert_eq!(capture.kinds(), [Kind::Cross]);
    let head = Head::new(Kind::Cross, 1, 3);
    assert_eq!(capture.map(head).unwrap(), demo().map(head).unwrap());
    assert_eq!(capture.source, demo().source);
    assert!(matches!(refused(Format::Safetensors, &options(chosen(Kind::Cross, 1, 0))), Error::Usage(_)));
}

#[test]
fn txt_is_the_map_with_its_tokens() {
    insta::assert_snapshot!(text(Format::Txt, &options(chosen(Kind::Cross, 2, 4))));
    let colored = Options { colors: Colors::True, ..options(chosen(Kind::Cross, 2, 4)) };
    assert!(text(Format::Txt, &colored).contains("\x1b[48;2;253;231;37;38;2;0;0;0m"));
}

#[test]
fn svg_holds_every_cell_and_token() {
    let svg = text(Format::Svg, &options(chosen(Kind::Cross, 2, 4)));
    for word in ["parents", "fatigué → .", "&lt;/s&gt;", "cross-attention, layer 2, head 4"] {
        assert!(svg.contains(word), "{word}");
    }
    let map = demo().map(Head::new(Kind::Cross, 2, 4)).unwrap();
    let [r, g, b] = Colormap::Viridis.color(map.get(2, 2).unwrap() / map.max());
    assert!(svg.contains(&format!("fill=\"#{r:02x}{g:02x}{b:02x}\"")));
    let dark = Options {
        style: FigureStyle {
            theme: FigureTheme::Dark,
            values: true,
            ..options(HeadSelection::default()).style
        },
        ..options(chosen(Kind::Cross, 2, 4))
    };
    let dark = text(Format::Svg, &dark);
    assert!(dark.contains(">.56</text>") && dark.contains("#121317"));
}

#[test]
fn svg_of_a_grid_and_of_a_text() {
    let grid =
        text(Format::Svg, &options(HeadSelection { kind: Some(Kind::Encoder), ..HeadSelection::default() }));
    assert_eq!(grid.matches("<g shape-rendering").count(), 18 + 1);
    let mut passage = options(chosen(Kind::Cross, 2, 4));
    passage.query = Some(3);
    let svg = text(Format::Svg, &passage);
    assert!(svg.contains("attention of query 3 (qui → vit)"));
    passage.query = Some(99);
    assert!(matches!(refused(Format::Svg, &passage), Error::NoSuchHead(_)));
}

#[test]
fn png_has_the_colours_of_the_map() {
    let mut large = options(chosen(Kind::Cross, 2, 4));
    large.pixels = 2.0;
    assert!(export(&demo(), Format::Png, &large).unwrap().missing.is_empty());
    let mut reader =
        png::Decoder::new(std::io::Cursor::new(exported(Format::Png, &large))).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert!(info.width > 700 && info.height > 700);
    let colors: std::collections::HashSet<[u8; 3]> =
        pixels.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    let map = demo().map(Head::new(Kind::Cross, 2, 4)).unwrap();
    for &weight in map.as_slice() {
        assert!(colors.contains(&Colormap::Viridis.color(weight / map.max())));
    }
}

#[test]
fn png_names_characters_without_a_glyph() {
    let mut capture = demo();
    // Unassigned characters, which no installed font has either.
    capture.source.items[0].piece = "▁\u{50000}\u{50001}".into();
    let exported = export(&capture, Format::Png, &options(chosen(Kind::Cross, 2, 4))).unwrap();
    assert_eq!(exported.missing, ['\u{50000}', '\u{50001}']);
}

#[test]
fn html_is_one_file_that_no_token_can_break() {
    let mut capture = demo();
    capture.source.items[0].piece = "</script><b>{{data}}".into();
    capture.source.text = "<img src=x> {{data}}".into();
    let html = bytes(&capture, Format::Html, &options(HeadSelection::default()));
    let html = String::from_utf8(html).unwrap();
    assert_eq!(html.matches("</script>").count(), 2);
    assert!(!html.contains("<img") && !html.contains("http"));
    let data = html.split_once("application/json\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["kinds"][2]["keys"][0], "</script><b>{{data}}");
    assert_eq!(data["kinds"].as_array().unwrap().len(), 3);
    let map = capture.map(Head::new(Kind::Cross, 0, 1)).unwrap();
    let weight = data["kinds"][2]["maps"][1]["weights"][5].as_f64().unwrap() / 1e4;
    assert!((weight - f64::from(map.as_slice()[5])).abs() <= 0.5e-4 + 1e-9);
}

#[test]
fn unknown_extensions_and_heads_are_named() {
    let error = Format::of("x.pdf".as_ref()).unwrap_err();
    assert!(error.to_string().contains("csv, json, npz"), "{error}");
    assert_eq!(Format::of("X.PNG".as_ref()).unwrap(), Format::Png);
    let error = refused(Format::Csv, &options(chosen(Kind::Cross, 9, 0)));
    assert!(error.to_string().contains("layers 0 to 2"), "{error}");
}

#[test]
fn an_npz_opens_as_the_capture_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    std::fs::write(&path, exported(Format::Npz, &options(HeadSelection::default()))).unwrap();
    let (capture, demo) = (capture::read(&path).unwrap(), demo());
    assert_eq!((&capture.source, &capture.target), (&demo.source, &demo.target));
    assert_eq!(capture.decoder_input, demo.decoder_input);
    assert_eq!((capture.model, capture.model_type), (demo.model.clone(), demo.model_type.clone()));
    for head in demo.all_heads() {
        assert_eq!(capture.maps.map(head), demo.maps.map(head), "{head}");
    }
}

#[test]
fn an_npz_from_python_opens() {
    // written by numpy.savez: stacked attentions with a batch of one, in half precision (make_analysis.py)
    let capture = capture::read("tests/fixtures/captures/stacked.npz".as_ref()).unwrap();
    assert_eq!(capture.kinds(), [Kind::Decoder, Kind::Cross]);
    assert_eq!((capture.layers(Kind::Cross), capture.heads(Site::new(Kind::Cross, 1))), (2, 3));
    assert_eq!(capture.map(Head::new(Kind::Cross, 1, 2)).unwrap().get(3, 1), Some(0.25));
    assert_eq!(capture.source.items[0].piece, "▁été");
    assert_eq!(capture.source.ids(), [7, 9]);
    assert_eq!(capture.source.text, "été !");
    assert_eq!(capture.target.len(), 4);
}

/// A writer that fails after a number of bytes, like a full disk.
struct Disk(usize);

impl std::io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_in_every_data_format() {
    let demo = demo();
    for format in [Format::Csv, Format::Json, Format::Npz, Format::Safetensors] {
        let export = export(&demo, format, &options(HeadSelection::default())).unwrap();
        let error = export.write(&mut Disk(10_000)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{format:?}");
        export.write(&mut Disk(10_000_000)).unwrap();
    }
}
