//! The parts of the command table that a view declares: its tab and its own commands.

/// Groups of commands: the headings of the help and the menu, in their order.
pub mod group {
    /// Moving the cursor.
    pub const MOVE: &str = "Go";
    /// Selecting heads and links, and the contents of lists and shading.
    pub const HEAD: &str = "Choose heads or links";
    /// Texts of the model.
    pub const TEXT: &str = "Type texts";
    /// Texts to the clipboard, and files.
    pub const COPY: &str = "Copy and write";
    /// Appearance of maps.
    pub const LOOK: &str = "Change the look";
    /// The views.
    pub const VIEW: &str = "Show a view";
    /// The guided tour.
    pub const TOUR: &str = "Take the tour";
    /// The program itself.
    pub const PROGRAM: &str = "Run the program";

    /// Every group, with its key in the menu.
    pub const ALL: [(&str, char); 8] = [
        (MOVE, 'g'),
        (HEAD, 'c'),
        (TEXT, 't'),
        (COPY, 'y'),
        (LOOK, 'l'),
        (VIEW, 'v'),
        (TOUR, 'e'),
        (PROGRAM, 'p'),
    ];
}

/// Declaration of a view for the tabs, the keymap and the footer.
#[derive(Clone, Copy, Debug)]
pub struct ViewInfo {
    /// Name on the tab and in a saved session.
    pub name: &'static str,
    /// Command that shows the view; `None` if no key does.
    pub tab: Option<ViewTab>,
    /// Commands of the shared table that apply in some views only, and in this one.
    pub shared: &'static [&'static str],
    /// Commands that come first in the footer.
    pub footer: &'static [&'static str],
    /// Label of the arrow keys in the footer.
    pub arrows: &'static str,
    /// True if the view needs attention maps.
    pub needs_maps: bool,
}

/// The command that shows a view.
#[derive(Clone, Copy, Debug)]
pub struct ViewTab {
    /// Name of the command in the palette and in a user's keymap.
    pub command: &'static str,
    /// Its keys; without any the view has no tab in the title line.
    pub keys: &'static [&'static str],
    /// Description in one sentence.
    pub sentence: &'static str,
    /// Name of the preceding command in the help.
    pub after: &'static str,
}

/// A command of one view; `C` is the view's own type of commands.
#[derive(Clone, Copy, Debug)]
pub struct ViewEntry<C> {
    /// The command.
    pub command: C,
    /// Its name in the palette and in a user's keymap.
    pub name: &'static str,
    /// Its keys.
    pub keys: &'static [&'static str],
    /// Label in the footer; empty if the footer leaves the command out.
    pub hint: &'static str,
    /// Heading in the help, one of [`group`].
    pub group: &'static str,
    /// Description in one sentence.
    pub sentence: &'static str,
    /// Name of the preceding command in the help.
    pub after: &'static str,
}

impl<C> ViewEntry<C> {
    /// Returns the entry with its command as a value of another type.
    pub fn map<D>(self, command: impl FnOnce(C) -> D) -> ViewEntry<D> {
        let Self { command: own, name, keys, hint, group, sentence, after } = self;
        ViewEntry { command: command(own), name, keys, hint, group, sentence, after }
    }
}
