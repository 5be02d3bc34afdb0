// The official client and service SDKs against the hub started alone (`handler hub`).
import assert from "node:assert/strict";
import { test } from "node:test";

import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { WebPubSubClient } from "@azure/web-pubsub-client";

import { connect, eventually, startHub, startRelay } from "./harness.mjs";

const ALL = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"];
const insecure = { allowInsecureConnection: true };

function service(hub, name = "demo") {
  return new WebPubSubServiceClient(hub.connectionString, name, insecure);
}

/** A client of the SDK for `userId`; `through` is a port to use instead of the hub's own. */
function sdkClient(hub, userId, { roles = ALL, through, options, name = "demo" } = {}) {
  const getClientAccessUrl = async () => {
    const { url } = await service(hub, name).getClientAccessToken({ userId, roles });
    return through ? url.replace(`:${hub.port}`, `:${through}`) : url;
  };
  return new WebPubSubClient({ getClientAccessUrl }, options);
}

test("connect, join, publish, leave", async (t) => {
  const hub = await startHub(t);
  const ann = await connect(t, sdkClient(hub, "ann"));
  const bob = await connect(t, sdkClient(hub, "bob"));
  assert.equal(ann.userId, "ann");

  await ann.client.joinGroup("tea");
  await bob.client.joinGroup("tea");
  await bob.client.sendToGroup("tea", { n: 1 }, "json");
  const message = await ann.group.sees("bob's message", (m) => m.fromUserId === "bob");
  assert.deepEqual({ group: message.group, data: message.data, dataType: message.dataType }, {
    group: "tea",
    data: { n: 1 },
    dataType: "json",
  });
  await bob.client.sendToGroup("tea", "ohne echo ☕", "text", { noEcho: true });
  await ann.group.sees("the text", (m) => m.data === "ohne echo ☕");
  await bob.client.sendToGroup("tea", new Uint8Array([1, 2, 3]).buffer, "binary");
  const binary = await ann.group.sees("the bytes", (m) => m.dataType === "binary");
  assert.deepEqual([...new Uint8Array(binary.data)], [1, 2, 3]);
  await bob.group.sees("the echo of the bytes", (m) => m.dataType === "binary");
  assert.ok(!bob.group.items.some((m) => m.data === "ohne echo ☕"), "noEcho came back");

  await ann.client.leaveGroup("tea");
  await bob.client.sendToGroup("tea", "after ann left", "text");
  await bob.group.sees("the last message", (m) => m.data === "after ann left");
  await service(hub).sendToAll("fence", { contentType: "text/plain" });
  await ann.server.sees("the fence", (m) => m.data === "fence");
  assert.ok(!ann.group.items.some((m) => m.data === "after ann left"), "ann had left");
});

test("a client without the role is refused by name", async (t) => {
  const hub = await startHub(t);
  const eve = await connect(t, sdkClient(hub, "eve", { roles: ["webpubsub.joinLeaveGroup.mine"], options: { messageRetryOptions: { maxRetries: 1, retryDelayInMs: 1 } } }));
  await eve.client.joinGroup("mine");
  await assert.rejects(eve.client.joinGroup("other"), (error) => error.errorDetail?.name === "Forbidden");
  await assert.rejects(eve.client.sendToGroup("mine", 1, "json"), (error) => error.errorDetail?.name === "Forbidden");
});

test("an ack id that was used is answered as a duplicate and not sent again", async (t) => {
  const hub = await startHub(t);
  const ann = await connect(t, sdkClient(hub, "ann"));
  await ann.client.joinGroup("tea");
  const first = await ann.client.sendToGroup("tea", "once", "text", { ackId: 4711 });
  const again = await ann.client.sendToGroup("tea", "once", "text", { ackId: 4711 });
  assert.equal(first.isDuplicated, false);
  assert.equal(again.isDuplicated, true);
  await ann.client.sendToGroup("tea", "fence", "text");
  await ann.group.sees("the fence", (m) => m.data === "fence");
  assert.equal(ann.group.items.filter((m) => m.data === "once").length, 1);
});

test("a dropped socket recovers: same connection, nothing lost, nothing twice", async (t) => {
  const hub = await startHub(t);
  const relay = await startRelay(t, hub.port);
  const ann = await connect(t, sdkClient(hub, "ann", { through: relay.port }));
  const bob = await connect(t, sdkClient(hub, "bob"));
  await ann.client.joinGroup("tea");
  for (let n = 0; n < 60; n++) {
    await bob.client.sendToGroup("tea", n, "json");
    if (n % 20 === 10) relay.cut();
  }
  await ann.group.sees("the last number", (m) => m.data === 59);
  assert.deepEqual(ann.group.items.map((m) => m.data), Array.from({ length: 60 }, (_, n) => n));
  assert.equal(ann.connected.items.length, 1, "it was a recovery, not a new connection");
});

test("a connection that cannot be recovered comes back as a new one and rejoins its groups", async (t) => {
  const hub = await startHub(t);
  const ann = await connect(t, sdkClient(hub, "ann"));
  await ann.client.joinGroup("tea");
  await service(hub).closeConnection(ann.connectionId, { reason: "maintenance" });
  const second = await ann.connected.sees("a second connection", (e) => e.connectionId !== ann.connectionId);
  assert.notEqual(second.connectionId, ann.connectionId);
  const gone = await ann.disconnected.sees("the goodbye", (e) => e.connectionId === ann.connectionId);
  assert.match(gone.message.message, /maintenance/);
  await eventually("ann is in the group again", () => service(hub).groupExists("tea"));
  await service(hub).group("tea").sendToAll({ welcome: "back" });
  await ann.group.sees("a message after the rejoin", (m) => m.data?.welcome === "back");
  assert.equal(ann.rejoinFailed.items.length, 0);
});

test("REST sends reach whom the filter means", async (t) => {
  const hub = await startHub(t);
  const svc = service(hub);
  const [ann, bob, anon] = [
    await connect(t, sdkClient(hub, "ann")),
    await connect(t, sdkClient(hub, "bob")),
    await connect(t, sdkClient(hub, undefined)),
  ];
  await ann.client.joinGroup("a");
  await bob.client.joinGroup("a");
  await bob.client.joinGroup("b");

  await svc.sendToAll({ to: "not ann" }, { filter: "userId ne 'ann'" });
  await svc.sendToAll({ to: "nobody's name" }, { filter: "userId eq null" });
  await svc.sendToAll({ to: "only a" }, { filter: "'a' in groups and not('b' in groups)" });
  await svc.group("a").sendToAll({ to: "a but bob" }, { excludedConnections: [bob.connectionId] });
  await svc.sendToUser("bob", "to bob", { contentType: "text/plain" });
  await svc.sendToConnection(anon.connectionId, { to: "one connection" });
  await svc.sendToAll("fence", { contentType: "text/plain" });
  for (const someone of [ann, bob, anon]) await someone.server.sees("the fence", (m) => m.data === "fence");

  const heard = (someone) => [...someone.server.items, ...someone.group.items].map((m) => m.data?.to ?? m.data).sort();
  assert.deepEqual(heard(ann), ["a but bob", "fence", "only a"]);
  assert.deepEqual(heard(bob), ["fence", "not ann", "to bob"]);
  assert.deepEqual(heard(anon), ["fence", "nobody's name", "not ann", "one connection"]);

  await assert.rejects(svc.sendToAll({}, { filter: "invalid filter" }), (error) => {
    assert.equal(error.statusCode, 400);
    assert.match(error.message, /Invalid syntax for 'invalid filter': Syntax error at position 14 in 'invalid filter'/);
    return true;
  });
});

test("permissions are granted, seen and revoked while connected", async (t) => {
  const hub = await startHub(t);
  const svc = service(hub);
  const eve = await connect(t, sdkClient(hub, "eve", { roles: [], options: { messageRetryOptions: { maxRetries: 1, retryDelayInMs: 1 } } }));
  const target = { targetName: "tea" };
  assert.equal(await svc.hasPermission(eve.connectionId, "joinLeaveGroup", target), false);
  await svc.grantPermission(eve.connectionId, "joinLeaveGroup", target);
  assert.equal(await svc.hasPermission(eve.connectionId, "joinLeaveGroup", target), true);
  await eve.client.joinGroup("tea");
  await svc.revokePermission(eve.connectionId, "joinLeaveGroup", target);
  assert.equal(await svc.hasPermission(eve.connectionId, "joinLeaveGroup", target), false);
  await assert.rejects(eve.client.leaveGroup("tea"), (error) => error.errorDetail?.name === "Forbidden");
});

test("groups and existence over REST", async (t) => {
  const hub = await startHub(t);
  const svc = service(hub);
  const ann = await connect(t, sdkClient(hub, "ann", { roles: [] }));
  assert.equal(await svc.userExists("ann"), true);
  assert.equal(await svc.userExists("nobody"), false);
  assert.equal(await svc.connectionExists(ann.connectionId), true);
  assert.equal(await svc.groupExists("tea"), false);
  await svc.group("tea").addConnection(ann.connectionId);
  await svc.group("cake").addUser("ann");
  await svc.addConnectionsToGroups(["x", "y"], "userId eq 'ann'");
  for (const group of ["tea", "cake", "x", "y"]) assert.equal(await svc.groupExists(group), true, group);
  await svc.group("tea").sendToAll({ n: 1 });
  await ann.group.sees("the group message", (m) => m.group === "tea" && m.fromUserId == null);
  await svc.removeUserFromAllGroups("ann");
  for (const group of ["tea", "cake", "x", "y"]) assert.equal(await svc.groupExists(group), false, group);
  await assert.rejects(svc.group("tea").addConnection("0".repeat(32)), (error) => error.statusCode === 404);
});
