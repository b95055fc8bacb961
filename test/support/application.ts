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

/** What is the same whatever the application is asked over. */
export abstract class Asked {
  readonly questions: Question[] = [];
  inFlight = 0;
  maxInFlight = 0;
  answer: Answering = () => ({ result: {} });
  /** Called with each answer that is kept back. */
  onHeld: () => void = () => {};
  private held: (() => void)[] = [];

  /** The endpoint for `event`: it ends in the path of its questions where the protocol has paths. */
  abstract endpoint(event: string): string;
  abstract close(): Promise<void>;

  protected begun(): void {
    this.maxInFlight = Math.max(this.maxInFlight, ++this.inFlight);
  }

  protected async answered(question: Question): Promise<object | RawAnswer> {
    this.questions.push(question);
    return this.answer(question);
  }

  /** Keep answers back until {@link release}. */
  hold(answer: object = { result: {} }): void {
    this.answer = () =>
      new Promise((resolve) => {
        this.held.push(() => resolve(answer));
        this.onHeld();
      });
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

export class Application extends Asked {
  /** TCP connections so far. */
  connections = 0;

  private constructor(private readonly server: Server) {
    super();
    server.on('connection', () => this.connections++);
    server.on('request', (request, response) => {
      this.begun();
      response.once('close', () => this.inFlight--);
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.once('end', async () => {
        const { url, method, headers } = request;
        const body = JSON.parse(Buffer.concat(chunks).toString());
        const answer = await this.answered({ path: url!, method: method!, headers, body });
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

  endpoint(event: string): string {
    return `${this.url}/${event}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }
}
