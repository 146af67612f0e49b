import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { RedisClient } from './connection.js';

/** How long one read blocks. Well below the time after which a silent connection is taken for dead. */
const BLOCK_SECONDS = 5;
/** Letters taken at once: a stage's results come in one reply, and the event loop has its turn between batches. */
const BATCH = 256;
const RETRY_MS = 50;

/**
 * Reads a list in Redis, first in first out, on a connection of its own (a blocking command holds up what comes behind
 * it). A letter is lost when the connection breaks between its removal and its arrival: nobody may rely on one letter.
 */
export function openInbox(client: RedisClient, key: string, read: (text: string) => void): { close(): void } {
  const connection = (client as Redis).duplicate();
  connection.on('error', () => {});
  let closed = false;
  const loop = async () => {
    while (!closed) {
      try {
        const batch = await connection.blmpop(BLOCK_SECONDS, 1, key, 'LEFT', 'COUNT', BATCH);
        for (const text of batch?.[1] ?? []) if (!closed) read(text);
      } catch {
        if (!closed) await sleep(RETRY_MS);
      }
    }
  };
  loop();
  return {
    /** Nothing is read from now on. */
    close() {
      closed = true;
      // A command that waits for a lost connection is never answered: the loop may stay in it.
      connection.disconnect();
    },
  };
}
