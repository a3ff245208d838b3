//! Topics landed as the Kafka Connect S3 sink lands them: objects by name and by byte, once each, whatever happens.

mod cases;
mod connector;
mod house;
mod kills;
mod readers;
