// The client module behind the official SDK and before the real binary: every entry once and in order, whatever is done to
// the live frames on their way.
import assert from "node:assert/strict";
import { test } from "node:test";

import { WebPubSubClient } from "@azure/web-pubsub-client";

import { ConversationState, Follower, restApi, webPubSubConnection } from "../../../webclient/dist/src/index.js";
import { connect, eventually, startChat, startRelay } from "./harness.mjs";

/** Chance that a seed repeats. */
function chance(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Stands between SDK and follower: drops, doubles and holds back live frames. */
function unreliable(connection, random, rates = { drop: 0.2, double: 0.15, late: 0.3 }) {
  return {
    listen: ({ frame, connected }) =>
      connection.listen({
        connected,
        frame: (data) => {
          const dice = random();
          if (dice < rates.drop) return;
          const copies = dice < rates.drop + rates.double ? 2 : 1;
          for (let n = 0; n < copies; n++) {
            if (random() < rates.late) setTimeout(() => frame(data), random() * 400);
            else frame(data);
          }
        },
      }),
  };
}

/** A follower of one room, with everything it was told. */
function follow(t, chat, user, room, connection, from = 0) {
  const events = [];
  const state = new ConversationState();
  const follower = new Follower({
    api: restApi(chat.base, () => ({ "x-user-id": user })),
    onEvent: (event) => {
      events.push(event);
      if (event.conversation === room && ["entry", "gap", "message"].includes(event.kind)) state.apply(event);
    },
  });
  t.after(() => follower.stop());
  if (connection) follower.listen(connection);
  follower.follow(room, { from });
  return { follower, events, state, seqs: () => events.flatMap((e) => (e.kind === "entry" ? [e.entry.seq] : [])) };
}

async function sync(chat, user, room, after = 0) {
  const entries = [];
  for (let cursor = after; cursor !== undefined; ) {
    const answer = await chat.post("/api/sync", { cursors: { [room]: cursor }, limit: 2000 }, user);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const part = answer.body.conversations[room];
    assert.equal(part.gap, undefined);
    entries.push(...part.entries);
    cursor = part.next;
  }
  return entries;
}

async function history(chat, user, room) {
  const messages = [];
  for (let after = 0; after !== undefined; ) {
    const page = await chat.get(`/api/rooms/${room}/messages?after=${after}&limit=500`, user);
    assert.equal(page.status, 200, JSON.stringify(page.body));
    messages.push(...page.body.messages);
    after = page.body.next;
  }
  return messages;
}

/** What history tells of each message, and what a follower knows of it. */
const told = ({ seq, number, id, sender, content, edited_at, deleted_at, reactions = {}, as_of = seq }) => ({
  seq, number, id, sender, content, edited_at, deleted_at, as_of,
  reactions: Object.entries(reactions).map(([emoji, count]) => `${emoji} ${count}`).sort(),
});
const known = (message) => ({
  ...told({ ...message, reactions: {} }),
  reactions: [...message.reactions].map(([emoji, { count }]) => `${emoji} ${count}`).sort(),
});

async function room(chat, owner, members) {
  const made = await chat.post("/api/rooms", { name: "Tea" }, owner);
  assert.equal(made.status, 201, JSON.stringify(made.body));
  for (const user of members) assert.equal((await chat.post(`/api/rooms/${made.body.id}/join`, {}, user)).status, 200);
  return made.body.id;
}

const numbers = (to, from = 1) => Array.from({ length: to - from + 1 }, (_, n) => n + from);

test("frames dropped, doubled and swapped between SDK and follower: every entry once, in order, and as history has it", async (t) => {
  const seed = Number(process.env.SEED ?? 4);
  t.diagnostic(`SEED=${seed}`);
  const random = chance(seed);
  const chat = await startChat(t);
  const users = ["ann", "bob", "cat", "dan"];
  const tea = await room(chat, "ann", users.slice(1));
  const people = [];
  for (const user of users) {
    const { client } = await connect(t, new WebPubSubClient({ getClientAccessUrl: () => chat.clientUrl(user) }));
    people.push({ user, client, ...follow(t, chat, user, tea, unreliable(webPubSubConnection(client), random)) });
  }
  const ask = async ({ client }, action, fields) =>
    (await client.invokeEvent(action, { room_id: tea, ...fields }, "json")).data;
  const sent = [];
  const act = async (person) => {
    const dice = random();
    const target = sent[Math.floor(random() * sent.length)];
    if (dice < 0.55 || !target) {
      const answer = await ask(person, "send", { content: `hi ${sent.length}`, id: `${person.user}-${sent.length}` });
      assert.equal(answer.type, "sent", JSON.stringify(answer));
      sent.push({ seq: answer.seq, by: person });
    } else if (dice < 0.65) {
      // Two may do the like at once, and a message may be gone meanwhile: what is refused makes no entry.
      await ask(target.by, "edit", { seq: target.seq, content: `edited by ${person.user}` });
    } else if (dice < 0.7) {
      await ask(target.by, "delete", { seq: target.seq });
    } else if (dice < 0.9) {
      await ask(person, random() < 0.7 ? "react" : "unreact", { seq: target.seq, emoji: random() < 0.5 ? "👍" : "☕" });
    } else if (person.user === "dan") {
      await ask(person, "leave", {});
      await ask(person, "join", {});
      person.follower.follow(tea, { from: person.follower.mark(tea) ?? person.seqs().at(-1) ?? 0 });
    }
  };
  await Promise.all(people.map(async (person) => { for (let n = 0; n < 60; n++) await act(person); }));

  const entries = await sync(chat, "ann", tea);
  const head = entries.length;
  assert.deepEqual(entries.map((entry) => entry.seq), numbers(head), "the log has no holes");
  for (const kind of ["message", "edit", "delete", "reaction", "joined", "left"]) {
    assert.ok(entries.some((entry) => entry.type === kind), `the log has a ${kind}`);
  }
  const messages = await history(chat, "ann", tea);
  for (const person of people) {
    // A last frame that was dropped leaves no hole to see: looking at the room asks for what is new, as the minute would.
    person.follower.focused();
    await eventually(`${person.user} is current`, () => person.seqs().at(-1) === head);
    assert.deepEqual(person.seqs(), numbers(head), `${person.user} saw every entry once and in order`);
    assert.ok(!person.events.some((event) => event.kind === "gap"));
    assert.deepEqual([...person.state.messages.values()].map(known), messages.map(told), person.user);
    assert.deepEqual([...person.state.members.keys()].sort(), users);
  }
});

/** 10,000 entries, by many requests at once. */
async function miss(chat, tea, count) {
  let next = 0;
  const sender = async () => {
    while (next < count) {
      const n = next++;
      const sent = await chat.post("/api/publish", { room_id: tea, content: `while you were away ${n}`, sender: "ann" });
      assert.equal(sent.status, 200, JSON.stringify(sent.body));
    }
  };
  await Promise.all(Array.from({ length: 64 }, sender));
}

test("who was away for 10,000 changes is current again, by HTTP and by the SDK's new connection", async (t) => {
  const chat = await startChat(t);
  const tea = await room(chat, "ann", ["bob", "cat"]);
  const relay = await startRelay(t, chat.port);
  const getClientAccessUrl = async () =>
    (await chat.clientUrl("bob")).replace(/^ws:\/\/[^/]+/, `ws://127.0.0.1:${relay.port}`);
  const { client, connected } = await connect(t, new WebPubSubClient({ getClientAccessUrl }));
  const bob = follow(t, chat, "bob", tea, webPubSubConnection(client));
  await eventually("bob is current", () => bob.events.some((event) => event.kind === "current"));
  const before = bob.follower.mark(tea);

  relay.down = true;
  const count = 10_000;
  await miss(chat, tea, count);
  const head = before + count;
  await eventually("all of it is in the log", async () => {
    const answer = await chat.post("/api/sync", { cursors: { [tea]: head }, limit: 1 }, "ann");
    return answer.body.conversations[tea].head.seq === head;
  });
  relay.down = false;
  await eventually("bob is back", () => connected.items.length > 1 || bob.follower.mark(tea) === head);
  await eventually("bob is current again", () => bob.follower.mark(tea) === head);
  assert.deepEqual(bob.seqs(), numbers(head));

  const cat = follow(t, chat, "cat", tea, undefined, before);
  await eventually("cat is current", () => cat.follower.mark(tea) === head);
  assert.deepEqual(cat.seqs(), numbers(head, before + 1));
  assert.deepEqual(cat.events.flatMap((e) => (e.kind === "entry" ? [e.entry] : [])), await sync(chat, "cat", tea, before));
});
