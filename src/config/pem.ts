import { readFileSync } from 'node:fs';

const PEM = /-----BEGIN [A-Z0-9 ]+-----/;

/**
 * The PEM text that an option of kind `pem` stands for: the text itself, the text in base64, or the content of a file,
 * tried in this order as Centrifugo does.
 *
 * @throws Error that says what is wrong without showing the value, which may be a private key.
 */
export function loadPem(value: string): string {
  if (PEM.test(value)) return value;
  const decoded = Buffer.from(value, 'base64').toString('latin1');
  if (PEM.test(decoded)) return decoded;
  const content = readPem(value);
  if (!PEM.test(content)) throw new Error('the file does not contain PEM');
  return content;
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const missing = code === 'ENOENT' || code === 'ENAMETOOLONG' || code === 'ERR_INVALID_ARG_VALUE';
    throw new Error(missing ? 'neither PEM text, nor PEM in base64, nor an existing file' : `cannot be read: ${code}`);
  }
}
