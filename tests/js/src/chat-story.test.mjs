// The main job, as its users meet it: HTTP in, the official client out, history and inbox afterwards.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";

import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { WebPubSubClient } from "@azure/web-pubsub-client";
import WebSocket from "ws";

import { Mailbox, connect, eventually, startChat, startRelay } from "./harness.mjs";

const chatClient = (chat, user, options) =>
  new WebPubSubClient({ getClientAccessUrl: () => chat.clientUrl(user) }, options);

async function history(chat, route, user) {
  const page = await chat.get(route, user);
  assert.equal(page.status, 200, JSON.stringify(page.body));
  return page.body.messages;
}

test("a room message sent with HTTP arrives live, stays in history, and survives kill -9", async (t) => {
  const directory = await mkdtemp(path.join(os.tmpdir(), "chat-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const first = await startChat(t, { dataDir: directory });

  const room = await first.post("/api/rooms", { name: "Tea", description: "about tea" }, "ann");
  assert.equal(room.status, 201, JSON.stringify(room.body));
  const id = room.body.id;
  assert.equal((await first.post(`/api/rooms/${id}/join`, {}, "bob")).status, 200);
  const bob = await connect(t, chatClient(first, "bob", { autoReconnect: false }));

  const sent = await first.post("/api/sendMessage", { SenderID: "ann", RoomID: id, MessageText: "hi ☕", MessageID: "m1" });
  assert.deepEqual(sent, { status: 200, body: { status: "accepted", MessageID: "m1" } });
  const live = await bob.group.sees("ann's message", (m) => m.data?.type === "message");
  assert.equal(live.group, `room_${id}`);
  const { seq, number, timestamp } = live.data;
  assert.deepEqual(live.data, {
    type: "message", id: "m1", seq, number: 1, room_id: id, room_name: "Tea", sender: "ann", content: "hi ☕", timestamp,
  });
  assert.equal(number, 1);
  assert.deepEqual(await history(first, `/api/rooms/${id}/messages`, "bob"), [live.data]);

  await first.kill("SIGKILL");
  const second = await startChat(t, { dataDir: directory });
  assert.deepEqual(await history(second, `/api/rooms/${id}/messages`, "bob"), [live.data]);
  assert.ok((await second.get("/api/rooms", "bob")).body.some((r) => r.id === id && r.member_count === 2));
  const again = await second.post("/api/sendMessage", { SenderID: "ann", RoomID: id, MessageText: "hi ☕", MessageID: "m1" });
  assert.equal(again.status, 200, "a repeat is accepted");
  await second.post("/api/sendMessage", { SenderID: "ann", RoomID: id, MessageText: "next", MessageID: "m2" });
  const messages = await eventually("the next message", async () => {
    const all = await history(second, `/api/rooms/${id}/messages`, "bob");
    return all.some((m) => m.id === "m2") && all;
  });
  assert.deepEqual(messages.map((m) => [m.id, m.number]), [["m1", 1], ["m2", 2]], "and stored once");
});

test("a direct message waits in the inbox of somebody who is away", async (t) => {
  const chat = await startChat(t);
  await chat.post("/api/sendMessage", { sender_id: "ann", receiver_id: "bob", message_text: "are you there?", message_id: "d1" });
  const inbox = await eventually("bob's inbox", async () => {
    const page = await chat.get("/api/inbox", "bob");
    return page.body.messages.length === 1 && page.body.messages;
  });
  assert.equal(inbox[0].id, "d1");
  assert.equal(inbox[0].content, "are you there?");
  assert.deepEqual((await history(chat, "/api/messages?with=ann", "bob")).map((m) => m.id), ["d1"]);
  assert.deepEqual((await history(chat, "/api/messages?with=ann", "carol")), [], "not for others");
  assert.equal((await chat.post("/api/inbox/ack", { ids: ["d1"] }, "bob")).status, 200);
  assert.deepEqual((await chat.get("/api/inbox", "bob")).body.messages, []);

  const bob = await connect(t, chatClient(chat, "bob"));
  await chat.post("/api/sendMessage", { SenderID: "ann", ReceiverID: "bob", MessageText: "live now" });
  await bob.group.sees("the direct message", (m) => m.data?.content === "live now");
});

test("send over the socket: event with ack, invoke with an answer, repeats, and no echo to the sender's connection", async (t) => {
  const chat = await startChat(t);
  const ann = await connect(t, chatClient(chat, "ann"));
  const bob = await connect(t, chatClient(chat, "bob"));
  for (const user of ["ann", "bob"]) assert.equal((await chat.post("/api/rooms/general/join", {}, user)).status, 200);

  const answer = (await ann.client.invokeEvent("send", { room_id: "general", content: "one", id: "s1" }, "json")).data;
  assert.equal(answer.id, "s1");
  assert.equal(answer.number, 1);
  const again = (await ann.client.invokeEvent("send", { room_id: "general", content: "one", id: "s1" }, "json")).data;
  assert.deepEqual([again.seq, again.number], [answer.seq, answer.number], "a repeat gets the first answer");
  await ann.client.sendEvent("send", { room_id: "general", content: "two", id: "s2" }, "json");
  await bob.group.sees("the second message", (m) => m.data?.id === "s2");
  assert.deepEqual(bob.group.items.filter((m) => m.data?.type === "message").map((m) => m.data.id), ["s1", "s2"]);
  assert.ok(!ann.group.items.some((m) => m.data?.type === "message"), "the sender got the answer, not a copy");
  const refused = (await ann.client.invokeEvent("send", { room_id: "nowhere", content: "x" }, "json")).data;
  assert.deepEqual([refused.type, refused.code], ["error", "room_not_found"]);
});

test("a client that joined by itself is rejoined, and loses nothing across a cut", async (t) => {
  const chat = await startChat(t);
  const relay = await startRelay(t, chat.port);
  const getClientAccessUrl = async () => (await chat.clientUrl("bob")).replace(/^ws:\/\/[^/]+/, `ws://127.0.0.1:${relay.port}`);
  assert.equal((await chat.post("/api/rooms/general/join", {}, "bob")).status, 200);
  const bob = await connect(t, new WebPubSubClient({ getClientAccessUrl }));
  await bob.client.joinGroup("room_general");
  for (let n = 1; n <= 30; n++) {
    const sent = await chat.post("/api/sendMessage", { SenderID: "ann", RoomID: "general", MessageText: `${n}`, MessageID: `n${n}` });
    assert.equal(sent.status, 200);
    if (n % 10 === 5) relay.cut();
  }
  await bob.group.sees("the last one", (m) => m.data?.id === "n30");
  const ids = bob.group.items.filter((m) => m.data?.type === "message").map((m) => m.data.id);
  assert.deepEqual(ids, Array.from({ length: 30 }, (_, n) => `n${n + 1}`));
});

test("raw joinGroup frames do not open rooms one is not in", async (t) => {
  const chat = await startChat(t);
  const room = await chat.post("/api/rooms", { name: "Secret", is_private: true }, "ann");
  const eve = await connect(t, chatClient(chat, "eve", { messageRetryOptions: { maxRetries: 0 } }));
  await assert.rejects(eve.client.joinGroup(`room_${room.body.id}`), (e) => e.errorDetail?.name === "Forbidden");
  await assert.rejects(eve.client.sendToGroup("room_general", "x", "text"), (e) => e.errorDetail?.name === "Forbidden");
});

test("a plain WebSocket joins, sends and hears", async (t) => {
  const chat = await startChat(t);
  const socket = new WebSocket(`ws://127.0.0.1:${chat.wsPort}/ws?user_id=zoe`);
  const heard = new Mailbox();
  socket.on("message", (data) => heard.push(JSON.parse(data.toString())));
  t.after(() => socket.terminate());
  await new Promise((resolve, reject) => (socket.on("open", resolve), socket.on("error", reject)));
  socket.send(JSON.stringify({ action: "join", room_id: "general" }));
  const joined = await heard.sees("room_joined", (m) => m.type === "room_joined");
  assert.equal(joined.room_id, "general");
  assert.equal(joined.member_count, 1);
  await chat.post("/api/publish", { room_id: "general", content: "hello zoe", sender: "ann" });
  const message = await heard.sees("the message", (m) => m.content === "hello zoe");
  assert.equal(message.sender, "ann");
  socket.send("this is not json");
  const error = await heard.sees("an error", (m) => m.type === "error");
  assert.ok(error.code && error.message);
  socket.send(JSON.stringify({ action: "leave", room_id: "general" }));
  await heard.sees("room_left", (m) => m.type === "room_left");
});

test("the service SDK reaches the hub on the HTTP port and on its own", async (t) => {
  const chat = await startChat(t);
  for (const port of [chat.port, chat.wsPort]) {
    const connectionString = chat.connectionString.replace(`:${chat.port}`, `:${port}`);
    const service = new WebPubSubServiceClient(connectionString, "demo_ai_chat", { allowInsecureConnection: true });
    assert.equal(await service.userExists("nobody"), false);
  }
});

test("SIGTERM ends the process in good order: clients are told to come back, the exit code is 0", async (t) => {
  const chat = await startChat(t);
  const socket = new WebSocket(`ws://127.0.0.1:${chat.wsPort}/ws?user_id=zoe`);
  await new Promise((resolve, reject) => (socket.on("open", resolve), socket.on("error", reject)));
  const closed = new Promise((resolve) => socket.on("close", resolve));
  const { code } = await chat.kill("SIGTERM");
  assert.equal(code, 0);
  assert.equal(await closed, 1001, "going away: reconnect");
});
