// What people are given has nothing in it that is meant for tests (handler/src/functions/test_controls.rs).
import assert from "node:assert/strict";
import { test } from "node:test";

import { startChat } from "./harness.mjs";

test("the built program has no test controls, whatever it is told", async (t) => {
  const chat = await startChat(t, { settings: { HANDLER_TEST_CONTROLS: "true" } });
  const health = await fetch(`${chat.base}/api/health`, { headers: { "x-test-panic": "1" } });
  assert.equal(health.status, 200);
  assert.equal((await chat.get("/api/test/pid")).status, 404);
  assert.equal((await chat.post("/api/test/store/away", {})).status, 404);
});
