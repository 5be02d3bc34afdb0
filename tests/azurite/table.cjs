// Azurite's table service for as long as whoever started it holds our stdin, so that none is left behind by a test that
// ends in whatever way. SIGINT is the one signal on which it saves what it has acknowledged.
// Nobody may be listening to its last words.
process.stdout.on("error", () => {});
process.stdin.on("end", () => process.kill(process.pid, "SIGINT")).resume();
require("azurite/dist/src/table/main.js");
