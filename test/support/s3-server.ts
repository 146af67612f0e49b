import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { S3Client } from '@aws-sdk/client-s3';
import { root } from './sheaf.js';

/** A real S3 server (moto) of its own, with a bucket. Nothing of it is kept. */
export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  /** For looking at the server from outside. */
  readonly client: S3Client;
}

const KEYS = { AWS_ACCESS_KEY_ID: 'test-key-id', AWS_SECRET_ACCESS_KEY: 'test-secret-key' };
const QUIET = { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' };

/** Sets the credentials of this process, which its slots inherit. */
export async function startS3(): Promise<S3Server> {
  Object.assign(process.env, KEYS, QUIET);
  const child = spawn(process.execPath, [`${root}scripts/s3-server.mjs`], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [port] = await Promise.race([
    once(createInterface(child.stdout!), 'line'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the S3 server ended (${code}): ${said}`))),
  ]);
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
  return {
    endpoint,
    client,
    async [Symbol.asyncDispose]() {
      client.destroy();
      const gone = once(child, 'exit');
      child.stdin!.end();
      await gone;
    },
  };
}
