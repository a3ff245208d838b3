//! The transform of the table geo.

use tidemill_sdk::{Input, Output, Timestamp, Verdict, emit, present, reject, transform};

/// What is read of a geolocation record.
#[derive(Clone, Debug, Default, Input)]
pub struct Raw<'a> {
    /// The pin's number.
    #[field(alias = "index")]
    pub ind: Option<i64>,
    /// When the pin was posted: `2018-05-27 11:30:59` or with a `T`.
    pub timestamp: Option<&'a str>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// The country's name.
    pub country: Option<&'a str>,
}

/// A cleaned place and time of a pin.
#[derive(Clone, Debug, PartialEq, Output)]
pub struct Geo<'a> {
    /// The pin's number.
    pub ind: i64,
    /// The country's name.
    pub country: Option<&'a str>,
    /// Latitude, then longitude, in degrees; null where one is missing.
    pub coordinates: Option<[f64; 2]>,
    /// When the pin was posted; null where the text is no time.
    pub timestamp: Option<Timestamp>,
}

/// A text that is blank becomes null, and so does one that should be a time but is none.
#[transform]
pub fn clean(raw: Raw<'_>) -> Verdict<Geo<'_>> {
    let Some(ind) = raw.ind else { return reject("the record has neither \"ind\" nor \"index\"") };
    if raw.timestamp.is_none() && raw.latitude.is_none() && raw.longitude.is_none() && raw.country.is_none() {
        return reject("the record has no field of a geolocation but its number: it may be meant for another table");
    }
    emit(Geo {
        ind,
        country: present(raw.country, &[]),
        coordinates: raw.latitude.zip(raw.longitude).map(|(latitude, longitude)| [latitude, longitude]),
        timestamp: raw.timestamp.and_then(|text| Timestamp::parse(text.trim())),
    })
}

#[cfg(test)]
mod tests;
