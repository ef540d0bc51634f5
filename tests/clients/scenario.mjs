// What a client of jim does, for any WebSocket with the browser's interface: two users register, log in, chat, lose a
// connection and come back. Throws at the first thing that is not as it should be.

const WAIT_MS_MAX = 10_000;

function check(condition, what) {
  if (!condition) throw new Error(what);
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what}`)), WAIT_MS_MAX);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

class User {
  constructor(server, WebSocket, name) {
    Object.assign(this, { server, WebSocket, name, token: `token of ${name}` });
  }

  async register(type) {
    const response = await fetch(`${this.server}/im/vanke/initUser`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ senderId: this.name, token: this.token, nick: `昵称 ${this.name}`, type }),
    });
    check((await response.json()).code === 200, `${this.name} is not registered`);
  }

  async login(token = this.token) {
    const address = `${this.server.replace(/^http/, "ws")}/?token=${encodeURIComponent(token)}`;
    this.socket = new this.WebSocket(address);
    this.frames = [];
    this.waiting = [];
    this.socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (this.waiting.length > 0) this.waiting.shift()(frame);
      else this.frames.push(frame);
    };
    this.closed = new Promise((resolve) => {
      this.socket.onclose = ({ code }) => resolve(code);
    });
    return this.next();
  }

  next() {
    if (this.frames.length > 0) return Promise.resolve(this.frames.shift());
    return within(new Promise((resolve) => this.waiting.push(resolve)), `frame for ${this.name}`);
  }

  call(command) {
    this.socket.send(JSON.stringify(command));
    return this.next();
  }

  say(to, id, content) {
    return this.call({ cmd: 11, chatType: 2, msgType: 0, from: this.name, to: to.name, id, content });
  }

  async end() {
    this.socket.close(1000, "bye");
    const code = await within(this.closed, `end of ${this.name}'s connection`);
    check(code === 1000, `closed with ${code}`);
  }
}

/// Runs against the server at this address; the names begin with `prefix`.
export async function run(server, WebSocket, prefix) {
  const visitor = new User(server, WebSocket, `${prefix}-visitor`);
  const agent = new User(server, WebSocket, `${prefix}-agent`);
  await visitor.register(0);
  await agent.register(1);

  const stranger = new User(server, WebSocket, `${prefix}-stranger`);
  check((await stranger.login("nobody's")).code === 10008, "a stranger is let in");
  check((await within(stranger.closed, "close")) === 1008, "a stranger's connection is not closed with 1008");

  for (const user of [visitor, agent]) {
    check((await user.login()).code === 10007, `${user.name} is not logged in`);
  }
  check((await visitor.call({ cmd: "13", hbbyte: "-127" })).data.hbbyte === -128, "no heartbeat");

  for (const [from, to] of [[visitor, agent], [agent, visitor]]) {
    for (const [id, text] of [["1", "在吗 🙂"], ["2", "x".repeat(60_000)]]) {
      check((await from.say(to, id, text)).code === 10000, `${from.name} has not sent ${id}`);
      const { command, data } = await to.next();
      check(command === 11 && data.id === id && data.content === text, `${to.name} has not heard ${id}`);
    }
  }

  await agent.end();
  // The server may see the end a moment later: until then the answer is that of a user who is online.
  const { code } = await visitor.say(agent, "3", "are you there?");
  check(code === 10001 || code === 10000, `answered ${code}`);
  check((await agent.login()).code === 10007, "the agent is not back");
  const { data } = await agent.call({ cmd: 19, type: 0, userId: agent.name, fromUserId: visitor.name });
  const ids = data.friends[visitor.name].map(({ id }) => id);
  check(ids.join() === "1,2,3", `unread: ${ids}`);
  check((await agent.say(visitor, "3", "I am")).code === 10000, "the agent has not answered");
  check((await visitor.next()).data.content === "I am", "the visitor has not heard the answer");
  await visitor.end();
  await agent.end();
}
