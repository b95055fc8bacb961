/** The server's HTTP API over a fixed number of keep-alive connections. */
import http from 'node:http';
import https from 'node:https';

export class Api {
  #agent;
  #http;
  /** Of the latest answer. */
  headers = {};

  /** @param {{url: string, apiKey: string, tlsInsecure?: boolean}} options  @param {number} connections requests in flight */
  constructor({ url, apiKey, tlsInsecure }, connections = 1) {
    this.url = url.replace(/\/$/, '');
    this.key = apiKey;
    this.#http = url.startsWith('https:') ? https : http;
    const agent = { keepAlive: true, maxSockets: connections, scheduling: 'fifo', rejectUnauthorized: !tlsInsecure };
    this.#agent = new this.#http.Agent(agent);
  }

  /** Requests are sent in the order of calls. @returns the result. @throws {Error} on anything else, also within a batch. */
  call(method, params) {
    const body = JSON.stringify(params);
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      'X-API-Key': this.key,
    };
    return new Promise((resolve, reject) => {
      const request = this.#http.request(`${this.url}/api/${method}`, { method: 'POST', agent: this.#agent, headers });
      request.on('response', (response) => {
        let text = '';
        this.headers = response.headers;
        response.setEncoding('utf8').on('data', (part) => {
          text += part;
        });
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode !== 200 || text.includes('"error":{'))
            reject(new Error(`${method} answered ${response.statusCode}: ${text.slice(0, 200)}`));
          else resolve(JSON.parse(text).result ?? JSON.parse(text));
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  close() {
    this.#agent.destroy();
  }
}

/** `server` of a result. */
/** What ../bare.mjs calls itself. */
const BARE = 'bare';

export async function identify(options) {
  const api = new Api(options);
  try {
    const { nodes } = await api.call('info', {});
    const version = nodes[0]?.version ?? '';
    const isGyre = 'uwebsockets' in api.headers && version !== BARE;
    const software = /\b(OSS|PRO)\b/.test(version) ? 'centrifugo' : isGyre ? 'gyre' : 'unknown';
    return { url: options.url, software, version };
  } finally {
    api.close();
  }
}
