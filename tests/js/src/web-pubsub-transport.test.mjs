// TRANSPORT_MODE=webpubsub with the official client: the program beside a hub process that stands for the service, whose events
// come back to it over HTTP.
import assert from "node:assert/strict";
import { test } from "node:test";

import { WebPubSubClient } from "@azure/web-pubsub-client";

import { connect, freePort, startChat, startHub } from "./harness.mjs";

async function startBoth(t, storage) {
  const ports = [await freePort(), await freePort()];
  const hub = await startHub(t, ["--upstream", `demo_ai_chat=http://127.0.0.1:${ports[0]}/api/eventhandler`]);
  const settings = {
    TRANSPORT_MODE: "webpubsub", STORAGE_MODE: storage, WEBPUBSUB_CONNECTION_STRING: hub.connectionString,
  };
  const chat = await startChat(t, { settings, ports });
  const client = (user, options) => new WebPubSubClient({ getClientAccessUrl: () => chat.clientUrl(user) }, options);
  return { hub, chat, client };
}

for (const storage of ["memory", "file"]) {
  test(`the official client through a service elsewhere, STORAGE_MODE=${storage}`, async (t) => {
    const { hub, chat, client } = await startBoth(t, storage);
    assert.match(await chat.clientUrl("ann"), new RegExp(`^ws://127.0.0.1:${hub.port}/client/hubs/demo_ai_chat\\?access_token=`));
    const room = (await chat.post("/api/rooms", { name: "Tea" }, "ann")).body.id;
    const ann = await connect(t, client("ann"));
    // One try: the client takes every refusal for something to repeat.
    const bob = await connect(t, client("bob", { messageRetryOptions: { maxRetries: 0 } }));

    await bob.client.sendEvent("join", { room_id: room }, "json");
    await bob.server.sees("the answer to join", (m) => m.data?.type === "room_joined");
    await bob.client.sendEvent("send", { room_id: room, content: "over the socket", id: "m1" }, "json");
    const answer = await bob.server.sees("the answer to send", (m) => m.data?.type === "sent");
    assert.equal(answer.data.id, "m1");
    const heard = await ann.group.sees("bob's message", (m) => m.data?.content === "over the socket");
    assert.equal(heard.group, `room_${room}`);
    await chat.post("/api/sendMessage", { SenderID: "ann", RoomID: room, MessageText: "over the queue" });
    await bob.group.sees("ann's message", (m) => m.data?.content === "over the queue");

    assert.equal((await chat.post(`/api/rooms/${room}/bans`, { user: "bob" }, "ann")).status, 200);
    await chat.post("/api/sendMessage", { SenderID: "ann", RoomID: room, MessageText: "without bob" });
    await ann.group.sees("her own message", (m) => m.data?.content === "without bob");
    await chat.post("/api/sendMessage", { SenderID: "ann", ReceiverID: "bob", MessageText: "for bob" });
    await bob.group.sees("what is his alone", (m) => m.data?.content === "for bob");
    assert.ok(!bob.group.items.some((m) => m.data?.content === "without bob"), "he is out of the group");
    await assert.rejects(bob.client.joinGroup(`room_${room}`), (error) => error.errorDetail?.name === "Forbidden");
  });
}
