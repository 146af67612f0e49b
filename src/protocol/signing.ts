import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Json } from './json.js';

/**
 * What travels through the queue is signed with the cluster's secret and checked before anything of it is used: who can
 * write to Redis but does not know the secret can lose or repeat messages, which is harmless, but not make any.
 */
export interface Envelope {
  /** The exact JSON text that was signed. */
  readonly body: string;
  /** HMAC-SHA256 of purpose and body, base64url. */
  readonly mac: string;
}

/**
 * Signs a value as JSON.
 * @param purpose what the message is for (`task`, `control:<executor>`): an envelope opens for its purpose only, so that
 * it cannot be replayed elsewhere
 */
export function sign(secret: string, value: unknown, purpose = ''): Envelope {
  const body = JSON.stringify(value);
  return { body, mac: digest(secret, purpose, body).toString('base64url') };
}

/** @throws SignatureError when the envelope was not signed with this secret for this purpose, or was altered. */
export function open<T = Json>(secret: string, envelope: Envelope, purpose = ''): T {
  const { body, mac } = envelope ?? {};
  if (typeof body !== 'string' || typeof mac !== 'string')
    throw new SignatureError(purpose, 'it carries no signature: was it written by another program?');
  const claimed = Buffer.from(mac, 'base64url');
  const actual = digest(secret, purpose, body);
  if (claimed.length !== actual.length || !timingSafeEqual(claimed, actual))
    throw new SignatureError(
      purpose,
      'its signature does not match: it was altered, or the secrets of driver and executor differ (set SHEAF_SECRET to the same value on both)',
    );
  return JSON.parse(body) as T;
}

export class SignatureError extends Error {
  constructor(purpose: string, why: string) {
    super(`refused a message${purpose && ` (${purpose})`}: ${why}`);
    this.name = 'SignatureError';
  }
}

function digest(secret: string, purpose: string, body: string): Buffer {
  return createHmac('sha256', secret).update(purpose).update('\n').update(body).digest();
}
