//! The client of a bucket's S3: whose keys it signs with, where it goes, how long it waits.

use std::net::SocketAddr;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, Credentials as Keys, Region};

use super::super::options::{Endpoint, Options, Patience};
use super::super::server::Credentials;
use crate::error::{Error, Kind, Result};

/// No connection takes so long.
const CONNECT: Duration = Duration::from_secs(5);
/// What asks or lists is tried again by the client itself, and may take so many times as long as one request.
const OPERATION_REQUESTS: u32 = 4;
/// A body may take longer than a request without one: as much more as it needs at this pace.
const BODY_BYTES_PER_SECOND_MIN: u64 = 512 * 1024;

/// The settings of a client for `options`; `embedded` is where the embedded server listens.
pub(super) async fn settings(options: &Options, embedded: Option<SocketAddr>) -> Result<Builder> {
    let region = options.region.clone().map(Region::new);
    let here = || region.clone().unwrap_or_else(|| Region::from_static("us-east-1"));
    let builder = match &options.endpoint {
        Endpoint::Embedded { .. } => {
            let addr = embedded.ok_or_else(|| Error::new(Kind::Internal, "lake: its embedded server does not run"))?;
            let Credentials { access_key, secret_key } = Credentials::default();
            let keys = Keys::new(access_key, secret_key, None, None, "embedded");
            Builder::new().credentials_provider(keys).region(here()).endpoint_url(format!("http://{addr}"))
        }
        Endpoint::Aws => {
            let mut loader = aws_config::from_env();
            if let Some(region) = region {
                loader = loader.region(region);
            }
            Builder::from(&loader.load().await)
        }
        Endpoint::Url(url) => {
            let loader = aws_config::from_env().region(here()).credentials_provider(given());
            Builder::from(&loader.load().await).endpoint_url(url)
        }
    };
    let request = options.patience.request;
    Ok(builder
        .behavior_version_latest()
        .force_path_style(options.endpoint != Endpoint::Aws)
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts(request, request * OPERATION_REQUESTS)))
}

/// Keys that somebody gave: in the environment, a profile, or a token. A machine's own, which its cloud gives out at an address of
/// the network, are for AWS alone.
fn given() -> CredentialsProviderChain {
    CredentialsProviderChain::first_try("environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("profile", ProfileFileCredentialsProvider::builder().build())
        .or_else("token", WebIdentityTokenCredentialsProvider::builder().build())
}

/// What sending a body changes: it may take longer, and is not tried again by the client, since the outbox does that.
pub(super) fn settings_of_body(patience: Patience, bytes: u64) -> Builder {
    let time = time_of_body(patience, bytes);
    Builder::new().timeout_config(timeouts(time, time)).retry_config(RetryConfig::disabled())
}

/// How long a body of so many bytes may be on its way.
pub(super) fn time_of_body(patience: Patience, bytes: u64) -> Duration {
    patience.request + Duration::from_secs(bytes / BODY_BYTES_PER_SECOND_MIN)
}

fn timeouts(request: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT.min(request))
        .operation_attempt_timeout(request)
        .operation_timeout(operation)
        .build()
}
