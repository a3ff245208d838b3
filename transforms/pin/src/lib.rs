//! The transform of the table pin.

mod followers;

use tidemill_sdk::{Input, Output, Verdict, emit, present, reject, transform};

/// What is read of a pin record. `downloaded` is not, as no row has it.
#[derive(Clone, Debug, Default, Input)]
pub struct Raw<'a> {
    /// The pin's number.
    #[field(alias = "index")]
    pub ind: Option<i64>,
    /// A UUID.
    pub unique_id: Option<&'a str>,
    /// What the pin is called.
    pub title: Option<&'a str>,
    /// What the poster says about it.
    pub description: Option<&'a str>,
    /// Who posted it.
    pub poster_name: Option<&'a str>,
    /// How many follow the poster: `870`, `136k`, `2M`.
    pub follower_count: Option<&'a str>,
    /// Words between commas.
    pub tag_list: Option<&'a str>,
    /// `image`, `video` or `multi-video(story page format)`.
    pub is_image_or_video: Option<&'a str>,
    /// Where the image came from.
    pub image_src: Option<&'a str>,
    /// `Local save in /data/art`.
    pub save_location: Option<&'a str>,
    /// One of thirteen.
    pub category: Option<&'a str>,
}

/// A cleaned pin.
#[derive(Clone, Debug, PartialEq, Output)]
pub struct Pin<'a> {
    /// The pin's number.
    pub ind: i64,
    /// A UUID.
    pub unique_id: Option<&'a str>,
    /// What the pin is called.
    pub title: Option<&'a str>,
    /// What the poster says about it.
    pub description: Option<&'a str>,
    /// How many follow the poster.
    pub follower_count: Option<i64>,
    /// Who posted it.
    pub poster_name: Option<&'a str>,
    /// Words between commas.
    pub tag_list: Option<&'a str>,
    /// `image`, `video` or `multi-video(story page format)`.
    pub is_image_or_video: Option<&'a str>,
    /// Where the image came from.
    pub image_src: Option<&'a str>,
    /// The path that it was saved at: `/data/art`.
    pub save_location: Option<&'a str>,
    /// One of thirteen.
    pub category: Option<&'a str>,
}

const NO_TITLE: [&str; 1] = ["No Title Data Available"];
const NO_DESCRIPTION: [&str; 2] = ["No description available Story format", "No description available"];
const NO_USER: [&str; 1] = ["User Info Error"];
const NO_TAGS: [&str; 1] = ["N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"];
const NO_IMAGE: [&str; 1] = ["Image src error."];
const SAVED_IN: &str = "Local save in ";

/// Texts that stand for no value become null, and so do blank ones; the rest stays as it is, blanks around it too.
#[transform]
pub fn clean(raw: Raw<'_>) -> Verdict<Pin<'_>> {
    let Some(ind) = raw.ind else { return reject("the record has neither \"ind\" nor \"index\"") };
    if is_foreign(&raw) {
        return reject("the record has no field of a pin but its number: it may be meant for another table");
    }
    emit(Pin {
        ind,
        unique_id: present(raw.unique_id, &[]),
        title: present(raw.title, &NO_TITLE),
        description: present(raw.description, &NO_DESCRIPTION),
        follower_count: raw.follower_count.and_then(followers::parse),
        poster_name: present(raw.poster_name, &NO_USER),
        tag_list: present(raw.tag_list, &NO_TAGS),
        is_image_or_video: present(raw.is_image_or_video, &[]),
        image_src: present(raw.image_src, &NO_IMAGE),
        save_location: present(raw.save_location.map(path), &[]),
        category: present(raw.category, &[]),
    })
}

/// Whether none of the fields is there that geo and user records do not have.
fn is_foreign(raw: &Raw<'_>) -> bool {
    let own = [
        raw.unique_id,
        raw.title,
        raw.description,
        raw.poster_name,
        raw.follower_count,
        raw.tag_list,
        raw.is_image_or_video,
        raw.image_src,
        raw.save_location,
        raw.category,
    ];
    own.iter().all(Option::is_none)
}

fn path(location: &str) -> &str {
    location.strip_prefix(SAVED_IN).unwrap_or(location)
}

#[cfg(test)]
mod tests;
