//! The transform of the table user.

use tidemill_sdk::{Concat, Input, Output, Timestamp, Verdict, emit, present, reject, transform};

/// What is read of a user record.
#[derive(Clone, Debug, Default, Input)]
pub struct Raw<'a> {
    /// The number of the pin that the user posted.
    #[field(alias = "index")]
    pub ind: Option<i64>,
    /// The given name.
    pub first_name: Option<&'a str>,
    /// The family name.
    pub last_name: Option<&'a str>,
    /// In years.
    pub age: Option<i64>,
    /// When the user joined: `2015-10-21 21:26:45` or with a `T`.
    pub date_joined: Option<&'a str>,
}

/// A cleaned user.
#[derive(Clone, Debug, PartialEq, Output)]
pub struct User<'a> {
    /// The number of the pin that the user posted.
    pub ind: i64,
    /// First and last name with a blank between; where one is missing the other alone, where both are null.
    pub user_name: Option<Concat<'a, 3>>,
    /// In years.
    pub age: Option<i64>,
    /// When the user joined; null where the text is no time.
    pub date_joined: Option<Timestamp>,
}

/// A text that is blank becomes null, and so does one that should be a time but is none.
#[transform]
pub fn clean(raw: Raw<'_>) -> Verdict<User<'_>> {
    let Some(ind) = raw.ind else { return reject("the record has neither \"ind\" nor \"index\"") };
    if raw.first_name.is_none() && raw.last_name.is_none() && raw.age.is_none() && raw.date_joined.is_none() {
        return reject("the record has no field of a user but its number: it may be meant for another table");
    }
    emit(User {
        ind,
        user_name: user_name(present(raw.first_name, &[]), present(raw.last_name, &[])),
        age: raw.age,
        date_joined: raw.date_joined.and_then(|text| Timestamp::parse(text.trim())),
    })
}

fn user_name<'a>(first: Option<&'a str>, last: Option<&'a str>) -> Option<Concat<'a, 3>> {
    match (first, last) {
        (Some(first), Some(last)) => Some(Concat([first, " ", last])),
        (Some(one), None) | (None, Some(one)) => Some(Concat([one, "", ""])),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests;
