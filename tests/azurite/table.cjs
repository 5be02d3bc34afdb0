// Azurite's table service for as long as whoever started it holds our stdin, so that none is left behind by a test that
// ends in whatever way. SIGINT is the one signal on which it saves what it has acknowledged, and the first one only: a
// second ends it at once.
const ServerBase = require("azurite/dist/src/common/ServerBase").default;
// Nobody may be listening to its last words.
process.stdout.on("error", () => {});
process.stdin.on("end", () => process.kill(process.pid, "SIGINT")).resume();
// Held open by somebody who waits for our end, it must not keep us.
process.stdin.unref();
// It would save at once, in the middle of what it is answering: half a transaction.
const close = ServerBase.prototype.close;
ServerBase.prototype.close = async function () {
  const idle = setInterval(() => this.httpServer.closeIdleConnections(), 5);
  await new Promise((ended) => this.httpServer.close(ended));
  clearInterval(idle);
  await close.call(this);
};
require("azurite/dist/src/table/main.js");
