import { string } from './fields.js';

/** Whose connections a request is about, see Target. */
export const target = {
  user: string('Id of the user whose connections are meant; empty for those of anonymous users.'),
  client: string('Only the connection with this client id.'),
  session: string('Only the connection with this session id.'),
};
