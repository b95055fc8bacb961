/** The demo page: one connection of the official client library, one subscription, what arrives on it. */

const SHOWN_MESSAGES = 100;
const LATENCY_SAMPLES = 99;
/** Added to what is published here, so that the time until it comes back can be shown. */
const SENT_AT = 'sent_at';

const byId = (id) => document.getElementById(id);
const show = (id, text) => {
  byId(id).textContent = text;
};

let subscription;
let received = 0;
let latencies = [];

async function getToken() {
  const response = await fetch('/demo/token');
  if (!response.ok) throw new Error(`no token: HTTP ${response.status}`);
  return (await response.json()).token;
}

const url = new URL('/connection/websocket', location.href);
url.protocol = url.protocol.replace('http', 'ws');
const client = new Centrifuge(url.href, { getToken });

client.on('state', ({ newState }) => {
  byId('state').dataset.state = newState;
  show('state', newState);
});
client.on('error', ({ error }) => showError(error));
client.on('disconnected', ({ code, reason }) => showError({ code, message: reason }));
client.on('connected', () => showError(undefined));

function showError(error) {
  byId('error').hidden = error === undefined;
  show('error', error === undefined ? '' : `${error.message}${error.code === undefined ? '' : ` (${error.code})`}`);
}

function subscribe(channel) {
  if (subscription !== undefined) {
    subscription.unsubscribe();
    client.removeSubscription(subscription);
  }
  clearMessages();
  const current = client.newSubscription(channel);
  subscription = current;
  current.on('state', ({ newState }) => {
    if (current === subscription) show('subscription-state', newState);
  });
  current.on('subscribed', ({ streamPosition }) => {
    showError(undefined);
    if (streamPosition !== undefined) show('offset', streamPosition.offset);
    showPresence();
  });
  current.on('error', ({ error }) => showError(error));
  current.on('unsubscribed', ({ code, reason }) => {
    if (current === subscription) showError({ code, message: reason });
  });
  current.on('publication', receive);
  current.on('join', showPresence);
  current.on('leave', showPresence);
  current.subscribe();
  showCurl();
}

function clearMessages() {
  received = 0;
  latencies = [];
  byId('messages').replaceChildren();
  byId('empty').hidden = false;
  show('count', 0);
  for (const id of ['offset', 'presence', 'latency']) show(id, '–');
}

async function showPresence() {
  const asked = subscription;
  try {
    const { numClients } = await asked.presenceStats();
    if (asked === subscription) show('presence', numClients);
  } catch {
    if (asked === subscription) show('presence', '–'); // presence is off or not allowed for this channel
  }
}

function receive({ data, offset }) {
  show('count', ++received);
  byId('empty').hidden = true;
  if (offset) show('offset', offset);
  const sentAt = data !== null && typeof data === 'object' ? data[SENT_AT] : undefined;
  const latency = typeof sentAt === 'number' ? Math.max(0, now() - sentAt) : undefined;
  if (latency !== undefined) showLatency(latency);

  const about = [offset ? `#${offset}` : '', latency === undefined ? '' : formatMs(latency)].filter(Boolean);
  const item = document.createElement('li');
  item.append(span('data', JSON.stringify(data)), span('about', about.join('  ')));
  const list = byId('messages');
  list.prepend(item);
  if (list.childElementCount > SHOWN_MESSAGES) list.lastElementChild.remove();
}

/** Milliseconds since the epoch, with fractions: the clock two tabs of one browser share. */
const now = () => performance.timeOrigin + performance.now();
const formatMs = (ms) => `${ms.toFixed(1)} ms`;

function showLatency(latency) {
  latencies = [...latencies, latency].slice(-LATENCY_SAMPLES);
  const sorted = latencies.toSorted((a, b) => a - b);
  show('latency', formatMs(sorted[sorted.length >> 1]));
}

function span(className, text) {
  const element = document.createElement('span');
  element.className = className;
  element.textContent = text;
  return element;
}

/** The data box as a value; throws SyntaxError while it is not JSON. */
function typedData() {
  return JSON.parse(byId('data').value);
}

function showCurl() {
  let data;
  try {
    data = typedData();
  } catch {
    data = byId('data').value;
  }
  const body = JSON.stringify({ channel: byId('channel').value, data }).replaceAll("'", "'\\''");
  show('curl', `curl -H 'X-API-Key: KEY' -d '${body}' ${location.origin}/api/publish`);
}

async function publish() {
  let data;
  try {
    data = typedData();
  } catch {
    return showError({ message: 'This is not JSON' });
  }
  const stamped = data !== null && typeof data === 'object' && !Array.isArray(data);
  byId('publish-button').disabled = true;
  try {
    await subscription.publish(stamped ? { ...data, [SENT_AT]: now() } : data);
    showError(undefined);
  } catch (error) {
    showError(error);
  } finally {
    byId('publish-button').disabled = false;
  }
}

byId('subscribe').addEventListener('submit', (event) => {
  event.preventDefault();
  subscribe(byId('channel').value);
});
byId('publish').addEventListener('submit', (event) => {
  event.preventDefault();
  publish();
});
byId('channel').addEventListener('input', showCurl);
byId('data').addEventListener('input', showCurl);
byId('copy').addEventListener('click', () => navigator.clipboard.writeText(byId('curl').textContent));

client.connect();
subscribe(byId('channel').value);
