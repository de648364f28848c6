//! Examples in the help of each command.

/// Examples of `attn-tui`.
pub const EXPLORE: &str = "\
Examples:
  attn-tui -s \"The children who live next door are playing.\"
  attn-tui google-t5/t5-small -s \"translate English to German: The house is old.\"
  attn-tui demo-ocr --image demo-ocr/key.png";

/// Examples of `capture`.
pub const CAPTURE: &str = "\
Examples:
  attn-tui capture demo -s \"The house is old.\" -o house.safetensors
  attn-tui capture Helsinki-NLP/opus-mt-en-fr -s - -o maps.safetensors < text.txt";

/// Examples of `show`.
pub const SHOW: &str = "\
Examples:
  attn-tui show demo -s \"The house is old.\" --kind cross --layer 2 --head 4
  attn-tui show house.safetensors --kind encoder --layer 0 --head 0";

/// Examples of `heads`.
pub const HEADS: &str = "\
Examples:
  attn-tui heads demo -s \"The house is old.\" --sort far_mass --top 5
  attn-tui heads demo -s \"The house is old.\" --sort entropy -o heads.png";

/// Examples of `scan`.
pub const SCAN: &str = "\
Examples:
  attn-tui scan demo --source-file en.txt --target-file fr.txt -o scan
  attn-tui scan google-t5/t5-small --source-file corpus.jsonl.gz --shard 1/4 -o scan";

/// Examples of `find`.
pub const FIND: &str = "\
Examples:
  attn-tui find scan --head cross.2.4 --min-distance 10
  attn-tui find scan --head decoder.1.0 --by induction --top 5 --json";

/// Examples of `links`.
pub const LINKS: &str = "\
Examples:
  attn-tui links demo -s \"The woman who lives near my parents is very tired.\"
  attn-tui links demo -s \"The house is old.\" --min-distance 2 -o links.svg";

/// Examples of `compare`.
pub const COMPARE: &str = "\
Examples:
  attn-tui compare demo -s \"The dog is old.\" --with-source \"The dogs are old.\" --top 5
  attn-tui compare demo -s \"The dog is old.\" --with-source \"The cat is old.\" -o change.svg
  attn-tui compare demo-ocr --image demo-ocr/bridge.png --with-image demo-ocr/key.png";

/// Examples of `align`.
pub const ALIGN: &str = "\
Examples:
  attn-tui align demo -s \"The house is old.\" -t \"La maison est vieille.\"
  attn-tui align demo --source-file en.txt --target-file fr.txt
  attn-tui align demo-ocr --image demo-ocr/bridge.png";

/// Examples of `rollout`.
pub const ROLLOUT: &str = "\
Examples:
  attn-tui rollout demo -s \"The house is old.\"
  attn-tui rollout demo -s \"The house is old.\" --method alti -o flow.png";

/// Examples of `knockout`.
pub const KNOCKOUT: &str = "\
Examples:
  attn-tui knockout demo -s \"The house is old.\" --kind cross --top 5
  attn-tui knockout demo -s \"The house is old.\" --mean-over en.txt
  attn-tui knockout demo -s \"The house is old.\" --by layer -o layers.svg
  attn-tui knockout demo-ocr --image demo-ocr/bridge.png --cover 88,0,72,32";

/// Examples of `beams`.
pub const BEAMS: &str = "\
Examples:
  attn-tui beams demo -s \"The house is old.\"
  attn-tui beams demo -s \"The house is old.\" --beams 8 --json";

/// Examples of `patch`.
pub const PATCH: &str = "\
Examples:
  attn-tui patch demo --clean \"The house is old.\" --corrupt \"The house is new.\"
  attn-tui patch demo --clean \"The house is old.\" --corrupt \"The house is new.\" --estimate --top 5
  attn-tui patch demo --clean \"The house is old.\" --corrupt \"The house is new.\" --what resid -o resid.svg
  attn-tui patch demo --clean \"The cat sleeps.\" --corrupt \"A big cat sleeps.\" --map 0:0,1-5:2-6";

/// Examples of `attribute`.
pub const ATTRIBUTE: &str = "\
Examples:
  attn-tui attribute demo -s \"The house is old.\" --row 1
  attn-tui attribute demo -s \"The house is old.\" --method integrated-gradients --rows 0-2
  attn-tui attribute demo -s \"The house is old.\" --method alti --json
  attn-tui attribute demo-ocr --image demo-ocr/bridge.png --patches 2 --row 9";

/// Examples of `faithful`.
pub const FAITHFUL: &str = "\
Examples:
  attn-tui faithful demo -s \"The house is old.\" --methods all,cross.2.4
  attn-tui faithful demo --source-file en.txt --json";

/// Examples of `lens`.
pub const LENS: &str = "\
Examples:
  attn-tui lens demo -s \"The house is old.\"
  attn-tui lens demo -s \"The house is old.\" --direct --row 1";

/// Examples of `export`.
pub const EXPORT: &str = "\
Examples:
  attn-tui export demo -s \"The house is old.\" --layer 2 --head 4 -o map.png
  attn-tui export house.safetensors --kind cross -o cross.svg";

/// Examples of `tour`.
pub const TOUR: &str = "\
Examples:
  attn-tui tour
  attn-tui tour --plain | less";

/// Examples of `models`.
pub const MODELS: &str = "\
Examples:
  attn-tui models
  attn-tui models | grep marian";

/// Examples of `doctor`.
pub const DOCTOR: &str = "\
Examples:
  attn-tui doctor demo
  attn-tui doctor google-t5/t5-small --offline";

/// Examples of `config`.
pub const CONFIG: &str = "\
Examples:
  attn-tui config
  ATTN_TUI_THREADS=4 attn-tui config --json";

/// Examples of `completions`.
pub const COMPLETIONS: &str = "\
Examples:
  attn-tui completions bash > ~/.local/share/bash-completion/completions/attn-tui
  attn-tui completions fish > ~/.config/fish/completions/attn-tui.fish";

/// Examples of `man`.
pub const MAN: &str = "\
Examples:
  attn-tui man | man -l -
  attn-tui man -o ~/.local/share/man/man1";

/// Examples of `needles`.
pub const NEEDLES: &str = "\
Examples:
  attn-tui needles demo --lengths 64,128 --depths 0,0.5,1
  attn-tui needles google/long-t5-tglobal-base --lengths 1k,4k,16k --json
  attn-tui needles google/long-t5-tglobal-base --lengths 4k --templates questions.jsonl --generate";
