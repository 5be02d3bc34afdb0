// Azurite's blob service for as long as whoever started it holds our stdin, so that none is left behind by a test that
// ends in whatever way.
process.stdout.on("error", () => {});
process.stdin.on("end", () => process.kill(process.pid, "SIGINT")).resume();
process.stdin.unref();
require("azurite/dist/src/blob/main.js");
