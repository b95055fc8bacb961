import { bool, duration, int, list, section, text } from '../fields.js';

const prefix = (path: string) => text(path, 'URL path.');
const bodyLimit = () => int(65536, 'Largest request body, bytes.', { min: 0 });

const webSocketFrames = {
  compression: bool('Offers permessage-deflate.'),
  compression_min_size: int(0, 'Messages shorter than this are not compressed, bytes.', { min: 0 }),
  compression_level: int(1, 'Deflate level, 1 (fast) to 9 (small).', { min: -2, max: 9 }),
  read_buffer_size: int(0, 'Read buffer per connection, bytes; 0 leaves it to the server.', { min: 0 }),
  use_write_buffer_pool: bool('Shares write buffers between connections.'),
  write_buffer_size: int(0, 'Write buffer per connection, bytes; 0 leaves it to the server.', { min: 0 }),
  write_timeout: duration('1000ms', 'A connection that takes no bytes for this long is closed.'),
  message_size_limit: int(65536, 'Largest message from a client, bytes.', { min: 0 }),
  decompressed_message_size_limit: int(
    0,
    'Largest message from a client after decompression, bytes; 0 means 10 times message_size_limit.',
    { min: 0 },
  ),
};

export const websocket = section(
  {
    disabled: bool('Turns the endpoint off.'),
    handler_prefix: prefix('/connection/websocket'),
    ...webSocketFrames,
  },
  'Bidirectional WebSocket; on by default.',
);

export const sse = section(
  {
    enabled: bool('Turns the endpoint on.'),
    handler_prefix: prefix('/connection/sse'),
    max_request_body_size: bodyLimit(),
  },
  'Bidirectional Server-Sent Events with emulation.',
);

export const httpStream = section(
  {
    enabled: bool('Turns the endpoint on.'),
    handler_prefix: prefix('/connection/http_stream'),
    max_request_body_size: bodyLimit(),
  },
  'Bidirectional HTTP streaming with emulation.',
);

export const webtransport = section(
  {
    enabled: bool('Turns the endpoint on.'),
    handler_prefix: prefix('/connection/webtransport'),
    message_size_limit: int(65536, 'Largest message from a client, bytes.', { min: 0 }),
  },
  'WebTransport over HTTP/3. Experimental.',
);

const connectCodeToHttpResponse = section(
  {
    enabled: bool('Turns the mapping on.'),
    transforms: list(
      {
        code: int(0, 'Error or disconnect code of a failed connect.', { min: 0 }),
        to: section(
          {
            status_code: int(0, 'HTTP status to answer.', { min: 0, max: 999 }),
            body: text('', 'Response body.'),
          },
          'The HTTP response.',
        ),
      },
      'Which code becomes which response.',
    ),
  },
  'Answers a failed connect with an HTTP status instead of a message in the stream.',
);

export const uniSse = section(
  {
    enabled: bool('Turns the endpoint on.'),
    handler_prefix: prefix('/connection/uni_sse'),
    max_request_body_size: bodyLimit(),
    connect_code_to_http_response: connectCodeToHttpResponse,
  },
  'Unidirectional Server-Sent Events.',
);

export const uniHttpStream = section(
  {
    enabled: bool('Turns the endpoint on.'),
    handler_prefix: prefix('/connection/uni_http_stream'),
    max_request_body_size: bodyLimit(),
    connect_code_to_http_response: connectCodeToHttpResponse,
  },
  'Unidirectional HTTP streaming.',
);

export const uniWebsocket = section(
  {
    enabled: bool('Turns the endpoint on.'),
    handler_prefix: prefix('/connection/uni_websocket'),
    ...webSocketFrames,
    disable_closing_handshake: bool('Closes the TCP connection without a close frame.'),
    disable_disconnect_push: bool('Sends no disconnect message before the close frame.'),
    join_push_messages: bool('Puts several messages into one frame.'),
  },
  'Unidirectional WebSocket.',
);

export const emulation = section(
  { handler_prefix: prefix('/emulation'), max_request_body_size: bodyLimit() },
  'Endpoint for what clients of SSE and HTTP streaming send; on when one of those is.',
);
