import assert from "node:assert/strict";
import { test } from "node:test";

import { Follower, HOLE_MS, SYNC_EVERY_MS, type FollowerEvent, type FollowOptions } from "../src/follower.js";
import type { LogEvent } from "../src/log.js";
import type { Entry } from "../src/wire.js";
import { Chance } from "./chance.js";
import { assertOnceInOrder, shown, stateOf } from "./checks.js";
import { TestClock } from "./clock.js";
import { Server } from "./server.js";

/** A follower before a server, with the connection in the test's hands. */
class World {
  readonly clock = new TestClock();
  readonly server = new Server();
  readonly events: FollowerEvent[] = [];
  readonly chance: Chance;
  readonly follower: Follower;
  /** How the next calls go; those behind the list succeed at once. */
  readonly fate: ("fails" | "late")[] = [];

  constructor(seed = 1) {
    this.chance = new Chance(seed);
    this.follower = new Follower({
      clock: this.clock,
      random: this.chance.next,
      onEvent: (event) => this.events.push(event),
      api: {
        sync: async (request) => {
          const fate = this.fate.shift();
          if (fate === "fails") throw new Error("the network is away");
          const answer = this.server.sync(request);
          if (fate === "late") await new Promise<void>((resolve) => this.clock.after(700, resolve));
          return answer;
        },
      },
    });
  }

  append(conversation: string): Entry {
    return this.server.log(conversation).append(this.chance);
  }

  async follow(conversation: string, options: FollowOptions = { from: 0 }): Promise<void> {
    this.follower.follow(conversation, options);
    await this.clock.pass(0);
  }

  of(conversation: string): LogEvent[] {
    return this.events.filter(
      (event): event is { conversation: string } & LogEvent =>
        "conversation" in event && event.conversation === conversation && ["entry", "gap", "message"].includes(event.kind),
    );
  }

  seqs(conversation: string): number[] {
    return this.of(conversation).flatMap((event) => (event.kind === "entry" ? [event.entry.seq] : []));
  }
}

test("frames dropped, doubled, swapped and late, calls that fail, connections that break: all there, once and in order", async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const world = new World(seed);
    const { chance, clock, server, follower } = world;
    server.budget = 1 + chance.below(20);
    const rooms = ["tea", "coffee", "__proto__"];
    const drops = chance.next() * 0.5;
    for (const room of rooms) {
      for (let n = chance.below(30); n >= 0; n--) world.append(room);
      await world.follow(room);
    }
    let epoch = 0;
    for (let step = 0; step < 80; step++) {
      const room = chance.pick(rooms);
      const dice = chance.below(100);
      if (dice < 70) {
        const entry = world.append(room);
        const sentIn = epoch;
        const copies = chance.of(drops) ? 0 : chance.of(0.2) ? 2 : 1;
        for (let n = 0; n < copies; n++) {
          clock.after(chance.of(0.8) ? 5 : chance.below(3_000), () => {
            if (sentIn === epoch) follower.frame(entry);
          });
        }
      } else if (dice < 80) {
        epoch += 1;
        clock.after(chance.below(2_000), () => follower.connected());
      } else if (dice < 90) {
        world.fate.push(chance.pick(["fails", "late"]));
      } else if (dice < 95) {
        void follower.history(room, async () => {
          const messages = server.log(room).history(10);
          await new Promise<void>((resolve) => clock.after(chance.below(1_500), resolve));
          return { messages };
        });
      } else {
        const log = server.log(room);
        log.floor = Math.max(log.floor, chance.below(log.head + 1));
      }
      await clock.pass(chance.below(600));
    }
    await clock.pass(2 * SYNC_EVERY_MS);
    for (const room of rooms) {
      try {
        const log = server.log(room);
        assertOnceInOrder(world.of(room), log);
        const fresh = new World();
        fresh.server.logs.set(room, log);
        fresh.server.budget = 1_000;
        await fresh.follow(room);
        assert.deepEqual(shown(stateOf(world.of(room)), log), shown(stateOf(fresh.of(room)), log));
      } catch (error) {
        throw new Error(`seed ${seed}, ${room}: ${String(error)}`, { cause: error });
      }
    }
    follower.stop();
    await clock.pass(10_000);
    assert.ok(clock.isIdle, "nothing goes on after stop");
  }
});

test("a hole is fetched when it is a second old, and not when it closes by itself", async () => {
  const world = new World();
  world.append("tea");
  await world.follow("tea");
  world.server.calls.length = 0;
  const [two, three, , five] = [1, 2, 3, 4].map(() => world.append("tea"));
  world.follower.frame(three);
  await world.clock.pass(HOLE_MS - 1);
  world.follower.frame(two);
  await world.clock.pass(HOLE_MS);
  assert.equal(world.server.calls.length, 0, "it closed by itself");
  world.follower.frame(five);
  await world.clock.pass(HOLE_MS - 1);
  assert.equal(world.server.calls.length, 0);
  assert.equal(world.follower.mark("tea"), 3);
  await world.clock.pass(1);
  assert.equal(world.server.calls.length, 1);
  assert.equal(world.follower.mark("tea"), 5);
});

/** Answers of every kind that makes an entry, as docs/PROTOCOL.md has them. */
const ANSWERS: readonly { type: string; [field: string]: unknown }[] = [
  { type: "sent", id: "m" },
  { type: "edited", target: 1, message: { type: "message", id: "m", seq: 1, number: 1, content: "x", as_of: 2 } },
  { type: "deleted", target: 1, message: { type: "message", id: "m", seq: 1, number: 1, content: "", as_of: 2 } },
  { type: "reacted", target: 1, emoji: "☕", on: true, reactions: { "☕": 1 }, mine: ["☕"] },
  { type: "pins_changed", target: 1, on: true, pins: [1] },
];

for (const answer of ANSWERS) {
  test(`one's own entry is there as soon as it is answered: ${answer.type}`, async () => {
    const world = new World();
    world.append("tea");
    await world.follow("tea");
    world.server.calls.length = 0;
    const { seq, number } = world.append("tea");
    const frame = { ...answer, seq, number, room_id: "tea", timestamp: "t" };
    world.follower.frame(frame);
    assert.deepEqual(world.events.at(-1), { kind: "frame", frame }, "and the answer is passed on");
    await world.clock.pass(0);
    assert.deepEqual(world.seqs("tea"), [1, 2]);
    const { seq: _nothing, number: _changed, ...repeat } = frame;
    world.follower.frame(frame);
    world.follower.frame(repeat);
    await world.clock.pass(HOLE_MS);
    assert.equal(world.server.calls.length, 1, "a repeat asks for nothing");
  });
}

for (const type of ["room_joined", "room_left"]) {
  test(`one's own entry is there as soon as it is answered: ${type}`, async () => {
    const world = new World();
    world.append("tea");
    await world.follow("tea");
    world.append("tea");
    // These answers do not name the entry.
    world.follower.frame({ type, room_id: "tea", member_count: 1, message: "…" });
    await world.clock.pass(0);
    assert.deepEqual(world.seqs("tea"), [1, 2]);
  });
}

test("who has left a room that only members read has lost it as soon as that is answered", async () => {
  const world = new World();
  world.append("tea");
  await world.follow("tea");
  world.server.logs.delete("tea");
  world.follower.frame({ type: "room_left", room_id: "tea", member_count: 0, message: "You left Tea." });
  await world.clock.pass(0);
  assert.equal(world.events.at(-1)?.kind, "lost");
});

test("answers do not make calls that fail come faster", async () => {
  const world = new World();
  world.append("tea");
  await world.follow("tea");
  world.fate.push(...Array.from({ length: 50 }, () => "fails" as const));
  for (let n = 0; n < 40; n++) {
    const { seq } = world.append("tea");
    world.follower.frame({ type: "sent", id: "m", seq, room_id: "tea" });
    await world.clock.pass(10);
  }
  assert.ok(world.fate.length > 45, `${50 - world.fate.length} calls in 400 ms`);
  world.fate.length = 0;
  await world.clock.pass(5_000);
  assert.equal(world.follower.mark("tea"), 41);
});

test("everything is asked for after every new connection, on focus, and every minute and a bit", async () => {
  const world = new World();
  world.server.jitterMs = 10_000;
  world.append("tea");
  await world.follow("tea");
  for (const cause of [() => world.follower.connected(), () => world.follower.focused()]) {
    const { seq } = world.append("tea");
    cause();
    await world.clock.pass(0);
    assert.equal(world.follower.mark("tea"), seq);
  }
  await world.clock.pass(SYNC_EVERY_MS * 1.25);
  const { seq } = world.append("tea");
  await world.clock.pass(SYNC_EVERY_MS);
  assert.notEqual(world.follower.mark("tea"), seq, "the server asked for ten seconds more");
  await world.clock.pass(10_000);
  assert.equal(world.follower.mark("tea"), seq);
});

test("whoever follows from now on is told nothing of before, and all of after", async () => {
  const world = new World();
  for (let n = 0; n < 50; n++) world.append("tea");
  world.fate.push("late");
  world.follower.follow("tea");
  world.follower.frame(world.append("tea"));
  await world.clock.pass(2_000);
  world.follower.frame(world.append("tea"));
  assert.deepEqual(world.seqs("tea"), [51, 52]);
  assert.equal(world.server.calls.length, 1, "and the head is all that was asked for");
});

test("many conversations, direct ones by the other user, in calls of a hundred and page by page", async () => {
  const world = new World();
  const ids = Array.from({ length: 250 }, (_, n) => (n % 10 === 0 ? `d_user${n}` : `room${n}`));
  for (const id of ids) for (let n = 0; n < 3; n++) world.append(id);
  world.server.budget = 200;
  for (const id of ids) world.follower.follow(id, { from: 0, ...(id.startsWith("d_") && { with: id.slice(2) }) });
  await world.clock.pass(0);
  for (const id of ids) assert.deepEqual(world.seqs(id), [1, 2, 3], id);
  for (const { cursors, with: others = {} } of world.server.calls) {
    assert.ok(Object.keys(cursors).length + Object.keys(others).length <= 100);
    assert.ok(Object.keys(cursors).every((id) => !id.startsWith("d_")));
  }
});

test("calls that fail are repeated ever later, and one is enough again", async () => {
  const world = new World();
  world.append("tea");
  world.fate.push(...Array.from({ length: 6 }, () => "fails" as const));
  await world.follow("tea");
  await world.clock.pass(1_000);
  assert.ok(world.fate.length >= 4, "not at once");
  await world.clock.pass(60_000);
  assert.deepEqual(world.seqs("tea"), [1]);
});

test("a conversation that cannot be read any more is lost, once, and keeps nothing from the others", async () => {
  const world = new World();
  world.append("tea");
  world.append("coffee");
  await world.follow("tea");
  await world.follow("coffee");
  world.server.logs.delete("tea");
  const { seq } = world.append("coffee");
  world.follower.connected();
  await world.clock.pass(2 * SYNC_EVERY_MS);
  const lost = world.events.filter((event) => event.kind === "lost");
  assert.deepEqual(lost, [{ kind: "lost", conversation: "tea", code: "room_not_found" }]);
  assert.equal(world.follower.mark("coffee"), seq);
});

test("a log that is shorter than the mark is another log", async () => {
  const world = new World();
  world.append("tea");
  await world.follow("tea", { from: 9 });
  assert.deepEqual(world.events.map((event) => event.kind), ["reset", "current"]);
  world.follower.frame(world.append("tea"));
  assert.deepEqual(world.seqs("tea"), [2]);
});

test("a listener that throws, or asks for more while it is told, changes nothing for the next event", async (t) => {
  const server = new Server();
  const chance = new Chance(3);
  for (let n = 0; n < 5; n++) server.log("tea").append(chance);
  const errors: unknown[] = [];
  const uncaught = (error: unknown): void => void errors.push(error);
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException").on("uncaughtException", uncaught);
  t.after(() => {
    process.off("uncaughtException", uncaught);
    for (const listener of before) process.on("uncaughtException", listener);
  });
  const seen: number[] = [];
  const late = server.log("tea").entries[4] as Entry;
  const follower: Follower = new Follower({
    clock: new TestClock(),
    api: { sync: async (request) => server.sync(request) },
    onEvent: (event) => {
      if (event.kind !== "entry") return;
      seen.push(event.entry.seq);
      if (event.entry.seq === 2) follower.frame(late);
      if (event.entry.seq === 3) throw new Error("a mistake of the screen");
    },
  });
  follower.follow("tea", { from: 0 });
  await new TestClock().pass(0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  assert.equal(errors.length, 1);
  follower.stop();
});

test("what is no entry of a followed conversation is passed on", () => {
  const world = new World();
  const frames = [{ type: "typing", room_id: "tea", users: ["ann"] }, { type: "joined", seq: 4, number: 0, room_id: "milk", user: "ann" }];
  for (const frame of [...frames, "text", null, 3]) world.follower.frame(frame);
  assert.deepEqual(world.events, frames.map((frame) => ({ kind: "frame", frame })));
});

test("history is read behind the moment at which following begins, so that nothing falls in between", async () => {
  for (const fate of ["late", "fails", undefined] as const) {
    const world = new World();
    const { server, follower, clock } = world;
    for (let n = 0; n < 10; n++) world.append("tea");
    if (fate) world.fate.push(fate);
    const read = async () => {
      const messages = server.log("tea").history(50);
      await new Promise<void>((resolve) => clock.after(300, resolve));
      return { messages };
    };
    follower.follow("tea");
    const page = follower.history("tea", read);
    // Live before the first answer is here, and after it.
    for (let n = 0; n < 20; n++) {
      await clock.pass(100);
      follower.frame(world.append("tea"));
    }
    await clock.pass(2 * SYNC_EVERY_MS);
    await page;
    const fresh = new World();
    fresh.server.logs.set("tea", server.log("tea"));
    fresh.server.budget = 1_000;
    await fresh.follow("tea");
    const log = server.log("tea");
    const messages = (of: World) => (shown(stateOf(of.of("tea")), log) as { messages: unknown }).messages;
    assert.deepEqual(messages(world), messages(fresh), fate);
  }
});

test("history of what is not followed any more, or was never, waits for nothing", async () => {
  const world = new World();
  const read = async () => ({ messages: [] });
  await world.follower.history("coffee", read);
  world.follower.follow("lost");
  await Promise.all([world.follower.history("lost", read), world.clock.pass(0)]);
  assert.ok(world.events.some((event) => event.kind === "lost"));
  world.append("tea");
  for (const end of [() => world.follower.unfollow("tea"), () => world.follower.stop()]) {
    world.fate.push("fails");
    world.follower.follow("tea");
    const reading = world.follower.history("tea", read);
    await world.clock.pass(0);
    end();
    await reading;
  }
});
