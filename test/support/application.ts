/** An application that is asked by proxies: answers what a test says, when it says so, and remembers the questions. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { until } from './until.js';

export interface Question {
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** Parsed, if it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: questions have any shape
  readonly body: any;
}

export interface RawAnswer {
  readonly status?: number;
  readonly text: string;
}

/** JSON, or a status and text as they are. A promise is waited for. */
export type Answering = (question: Question) => object | RawAnswer | Promise<object | RawAnswer>;

export class Application {
  readonly questions: Question[] = [];
  /** TCP connections so far. */
  connections = 0;
  inFlight = 0;
  maxInFlight = 0;
  answer: Answering = () => ({ result: {} });
  private held: (() => void)[] = [];

  private constructor(private readonly server: Server) {
    server.on('connection', () => this.connections++);
    server.on('request', (request, response) => {
      this.maxInFlight = Math.max(this.maxInFlight, ++this.inFlight);
      response.once('close', () => this.inFlight--);
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.once('end', async () => {
        const { url, method, headers } = request;
        const question = { path: url!, method: method!, headers, body: JSON.parse(Buffer.concat(chunks).toString()) };
        this.questions.push(question);
        const answer = await this.answer(question);
        if (response.destroyed) return;
        if ('text' in answer) response.writeHead(('status' in answer && answer.status) || 200).end(answer.text);
        else response.end(JSON.stringify(answer));
      });
    });
  }

  /** Ends with the test. */
  static async start(port = 0): Promise<Application> {
    const application = await Application.open(port);
    onTestFinished(() => application.close());
    return application;
  }

  static async open(port = 0): Promise<Application> {
    const server = createServer();
    const application = new Application(server);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return application;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  /** Keep answers back until {@link release}. */
  hold(answer: object = { result: {} }): void {
    this.answer = () => new Promise((resolve) => this.held.push(() => resolve(answer)));
  }

  /** How many answers are kept back. */
  get waiting(): number {
    return this.held.length;
  }

  release(): void {
    for (const answer of this.held.splice(0)) answer();
  }

  async asked(count: number): Promise<Question> {
    await until(`${count} questions`, () => this.questions.length >= count);
    return this.questions[count - 1]!;
  }
}
