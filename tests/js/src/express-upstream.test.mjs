// `@azure/web-pubsub-express` as the HTTP event handler of a hub started alone.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { WebPubSubClient } from "@azure/web-pubsub-client";
import { WebPubSubEventHandler } from "@azure/web-pubsub-express";
import express from "express";

import { Mailbox, connect, startHub } from "./harness.mjs";

async function startUpstream(t, handlers) {
  const app = express();
  const handler = new WebPubSubEventHandler("demo", handlers);
  app.use(handler.getMiddleware());
  const server = createServer(app);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return `http://127.0.0.1:${server.address().port}${handler.path}`;
}

test("connect, state, events with answers, invoke, failure and disconnected", async (t) => {
  const events = new Mailbox();
  const url = await startUpstream(t, {
    handleConnect(request, response) {
      events.push({ kind: "connect", query: request.queries });
      if (request.context.userId === "mallory") return response.fail(401, "not you");
      response.setState("greeted", 1);
      response.success({ userId: `srv-${request.context.userId}`, groups: ["lobby"], roles: ["webpubsub.sendToGroup.lobby"] });
    },
    onConnected: (request) => events.push({ kind: "connected", user: request.context.userId }),
    handleUserEvent(request, response) {
      events.push({ kind: "event", name: request.context.eventName, state: request.context.states.greeted });
      if (request.context.eventName === "boom") return response.fail(500, "no");
      response.setState("greeted", (request.context.states.greeted ?? 0) + 1);
      response.success(JSON.stringify({ sum: request.data.a + request.data.b }), "json");
    },
    onDisconnected: (request) => events.push({ kind: "disconnected", user: request.context.userId }),
  });
  const hub = await startHub(t, ["--upstream", `demo=${url}`]);
  const service = new WebPubSubServiceClient(hub.connectionString, "demo", { allowInsecureConnection: true });
  const client = (userId) =>
    new WebPubSubClient(
      { getClientAccessUrl: async () => (await service.getClientAccessToken({ userId })).url },
      { messageRetryOptions: { maxRetries: 0 }, autoReconnect: false },
    );

  const ann = await connect(t, client("ann"));
  assert.equal(ann.userId, "srv-ann");
  await events.sees("connected", (e) => e.kind === "connected" && e.user === "srv-ann");
  await ann.client.sendToGroup("lobby", "hello", "text");
  await ann.group.sees("the lobby", (m) => m.data === "hello");

  await ann.client.sendEvent("sum", { a: 1, b: 2 }, "json");
  await ann.server.sees("the answer", (m) => m.data.sum === 3);
  const result = await ann.client.invokeEvent("sum", { a: 20, b: 22 }, "json");
  assert.deepEqual(result.data, { sum: 42 });
  const states = events.items.filter((e) => e.kind === "event").map((e) => e.state);
  assert.deepEqual(states, [1, 2], "the state travels with the connection");

  await assert.rejects(ann.client.sendEvent("boom", { a: 0, b: 0 }, "json"), (e) => e.errorDetail?.name === "InternalServerError");
  await assert.rejects(ann.client.invokeEvent("boom", { a: 0, b: 0 }, "json"));
  await assert.rejects(client("mallory").start(), /401/);

  await service.closeConnection(ann.connectionId);
  await events.sees("disconnected", (e) => e.kind === "disconnected" && e.user === "srv-ann");
});
