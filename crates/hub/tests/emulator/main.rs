//! The hub against the transcripts of Microsoft's own emulator: every recorded scenario is played on a real port, and every
//! frame, close, status, header, answer and event-handler request is compared.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod client;
mod events;
mod long_frames;
mod normalise;
mod operations;
mod player;
mod rest;
mod scenarios;
mod server;
mod tokens;
mod upstream;

use player::{Scenario, play};
use server::Server;

async fn equals_its_recording(scenario: impl Scenario) {
    let server = Server::start().await;
    play(&scenario, &server).await.judge();
}

#[tokio::test]
async fn client_kinds() {
    equals_its_recording(scenarios::ConnectKinds).await;
}

#[tokio::test]
async fn refused_clients() {
    equals_its_recording(scenarios::ConnectRefusals).await;
}

#[tokio::test]
async fn bad_and_odd_frames() {
    equals_its_recording(scenarios::BadAndOddFrames).await;
}

#[tokio::test]
async fn groups() {
    equals_its_recording(scenarios::Groups).await;
}

#[tokio::test]
async fn reliable_clients() {
    equals_its_recording(scenarios::Reliable).await;
}

#[tokio::test]
async fn closes_by_the_server() {
    equals_its_recording(scenarios::ServerClose).await;
}

#[tokio::test]
async fn rest_sends() {
    equals_its_recording(scenarios::RestSend).await;
}

#[tokio::test]
async fn rest_authentication() {
    equals_its_recording(scenarios::RestAuthentication).await;
}

#[tokio::test]
async fn event_handler_requests() {
    upstream::handler_connect_equals_its_recording().await;
}
