//! A pin: its texts, its image, its kind, with the dirt that real ones have.

use super::crowd::scale;
use super::json::{hex, text};
use super::vocabulary;
use super::words::{self, Category};
use crate::emulate::dice::Dice;

/// Bytes of an object after which its description ends, at the least and at the most.
const DESCRIPTION_BYTES: (u32, u32) = (290, 350);
/// Bytes of an object, at the least and at the most, before the last tag.
const BYTES: (u32, u32) = (680, 788);
/// Bytes that an image's pin has after its tags, without the two names of its category.
const TAIL_BYTES: usize = 203;

/// What is said of a pin that has no description.
const NO_DESCRIPTION: &str = "No description available";
/// What stands where the poster or the count of followers could not be read.
pub(super) const UNREADABLE: &str = "User Info Error";
const STORY: &str = "No description available Story format";
/// How a description ends that is cut off.
const CUT: &str = "…\u{a0}";
const NO_TITLE: &str = "No Title Data Available";
const NO_TAGS: &str = "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e";
const NO_IMAGE: &str = "Image src error.";

/// What a pin is and what it lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// An image with all of its texts.
    #[default]
    Image,
    /// A video.
    Video,
    /// A story of several pages, which has no description.
    Story,
    /// A story that could not be downloaded.
    LostStory,
    /// A story of which neither poster, title, tags nor image could be read.
    UnreadableStory,
    /// An image without a description.
    Undescribed,
    /// An image without tags.
    Untagged,
    /// An image with an empty title.
    Nameless,
    /// An image whose title is a word that says there is none.
    UntitledTitle,
    /// An image whose description is that word.
    UntitledDescription,
}

/// Rows of each kind, of 4,310; all other rows but the unreadable ones are images.
const KINDS: [(Kind, u64); 8] = [
    (Kind::Video, 129),
    (Kind::Story, 219),
    (Kind::LostStory, 71),
    (Kind::Undescribed, 70),
    (Kind::Untagged, 32),
    (Kind::Nameless, 1),
    (Kind::UntitledTitle, 1),
    (Kind::UntitledDescription, 1),
];
const KINDS_ROWS: u64 = 4_310;

impl Kind {
    /// The kind of the row that stands at `place` when the readable rows of a population of `rows` stand kind by kind.
    pub(super) fn at(place: u64, rows: u64) -> Self {
        let mut end = 0;
        for (kind, share) in KINDS {
            end += share;
            if place < scale(end, KINDS_ROWS, rows) {
                return kind;
            }
        }
        Self::Image
    }

    fn is_story(self) -> bool {
        matches!(self, Self::Story | Self::LostStory | Self::UnreadableStory)
    }

    /// Whether the image was downloaded.
    pub(super) fn has_image(self) -> bool {
        !matches!(self, Self::LostStory | Self::UnreadableStory)
    }

    /// What the column `is_image_or_video` says.
    pub(super) fn word(self) -> &'static str {
        match self {
            _ if self.is_story() => "multi-video(story page format)",
            Self::Video => "video",
            _ => "image",
        }
    }
}

/// Appends a random UUID.
pub(super) fn unique_id(into: &mut Vec<u8>, dice: &mut Dice) {
    let (high, low) = (dice.bits(), dice.bits());
    for (bits, digits) in
        [(high >> 32, 8), (high >> 16, 4), (high & 0xfff | 0x4000, 4), (low >> 48 & 0x3fff | 0x8000, 4)]
    {
        hex(into, bits, digits);
        into.push(b'-');
    }
    hex(into, low, 12);
}

/// Appends a title.
pub(super) fn title(into: &mut Vec<u8>, kind: Kind, category: &Category, dice: &mut Dice) {
    match kind {
        Kind::UnreadableStory => return text(into, NO_TITLE),
        Kind::UntitledTitle => return text(into, "Untitled"),
        Kind::Nameless => return,
        _ => {}
    }
    if dice.once_in(10) {
        text(into, dice.pick(&words::FLOURISHES));
    }
    match dice.below(4) {
        0 => super::json::number(into, u64::from(3 + dice.below(98))),
        1 => text(into, "How to Choose"),
        2 => text(into, "The Best"),
        _ => text(into, dice.pick(&words::KINDS)),
    }
    into.push(b' ');
    let word = dice.pick(&words::KINDS);
    if dice.once_in(40) {
        bold(into, word)
    } else {
        text(into, word)
    }
    into.push(b' ');
    vocabulary::name(into, dice);
    into.push(b' ');
    text(into, dice.pick(&category.things));
    text(into, dice.pick(&words::TITLE_TAILS));
}

/// Appends a description; the object that it stands in begins at `start`.
pub(super) fn description(into: &mut Vec<u8>, kind: Kind, category: &Category, start: usize, dice: &mut Dice) {
    match kind {
        Kind::Undescribed => return text(into, NO_DESCRIPTION),
        Kind::UntitledDescription => return text(into, "Untitled"),
        _ if kind.is_story() => return text(into, STORY),
        _ => {}
    }
    let (least, most) = DESCRIPTION_BYTES;
    let end = start + (least + dice.below(most - least)) as usize;
    if dice.once_in(6) {
        text(into, dice.pick(&words::FLOURISHES));
    }
    let cut = dice.below(100) < 38;
    loop {
        let (before, after) = dice.pick(&words::SENTENCES);
        text(into, before);
        vocabulary::name(into, dice);
        into.push(b' ');
        text(into, dice.pick(&category.things));
        if cut && into.len() >= end {
            return text(into, CUT);
        }
        text(into, after);
        if !cut && into.len() >= end {
            return;
        }
        into.push(b' ');
        vocabulary::words(into, 6 + dice.below(4), dice);
        if into.len() >= end {
            return text(into, if cut { CUT } else { "." });
        }
        text(into, ". ");
    }
}

/// Appends a list of tags, so long that the object that begins at `start` has its usual length in the end.
pub(super) fn tags(into: &mut Vec<u8>, kind: Kind, category: &Category, start: usize, dice: &mut Dice) {
    if matches!(kind, Kind::UnreadableStory | Kind::Untagged) {
        return text(into, NO_TAGS);
    }
    let (least, most) = BYTES;
    let bytes = (least + dice.below(most - least)) as usize;
    let end = (start + bytes).saturating_sub(TAIL_BYTES + 2 * category.name.len() + kind.word().len());
    loop {
        if dice.once_in(3) {
            vocabulary::name(into, dice);
            into.push(b' ');
            text(into, dice.pick(&category.things));
        } else {
            vocabulary::words(into, 2, dice);
            text(into, dice.pick(&words::TAG_ENDS));
        }
        if into.len() >= end {
            return;
        }
        into.push(b',');
    }
}

/// Appends the address of the image.
pub(super) fn image(into: &mut Vec<u8>, kind: Kind, dice: &mut Dice) {
    if !kind.has_image() {
        return text(into, NO_IMAGE);
    }
    let (high, low) = (dice.bits(), dice.bits());
    text(into, "https://images.example/originals/");
    for byte in [high >> 56, high >> 48, high >> 40] {
        hex(into, byte, 2);
        into.push(b'/');
    }
    hex(into, high, 16);
    hex(into, low, 16);
    text(into, ".jpg");
}

/// Appends a word in the bold letters of mathematics, which lie beyond the characters of 16 bits.
fn bold(into: &mut Vec<u8>, word: &str) {
    let letters = word.chars().map(|letter| {
        let code = match letter {
            'A'..='Z' => 0x1_d400 + (letter as u32 - 'A' as u32),
            'a'..='z' => 0x1_d41a + (letter as u32 - 'a' as u32),
            _ => letter as u32,
        };
        char::from_u32(code).unwrap_or(letter)
    });
    letters.for_each(|letter| text(into, letter.encode_utf8(&mut [0; 4])));
}
