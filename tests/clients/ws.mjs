// Runs the scenario with the npm package ws: node ws.mjs http://127.0.0.1:8080

import WebSocket from "ws";
import { run } from "./scenario.mjs";

await run(process.argv[2], WebSocket, "node");
console.log("passed");
