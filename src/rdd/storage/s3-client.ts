import type { S3Client } from '@aws-sdk/client-s3';
import { SourceError } from '../sources/source.js';
import type { StorageSettings } from './storage.js';

export type S3 = typeof import('@aws-sdk/client-s3');

export interface S3Connection {
  readonly s3: S3;
  readonly client: S3Client;
}

const connections = new Map<string, Promise<S3Connection>>();

/**
 * The client of this process for these settings. The vendor's package is loaded by the first use, and not before: it takes
 * 0.2 s. Credentials are those of the process: environment, profile, role of the machine, as the vendor's chain has it.
 */
export function connectS3(settings: StorageSettings['s3'] = {}): Promise<S3Connection> {
  const key = JSON.stringify(settings);
  const known = connections.get(key) ?? open(settings);
  connections.set(key, known);
  return known;
}

async function open({ endpoint, region, pathStyle, anonymous }: NonNullable<StorageSettings['s3']>) {
  // Which Node it runs on is the lock file's business: the client would warn of its own plans in every slot.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const s3 = await import('@aws-sdk/client-s3');
  const { AWS_REGION, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
  const client = new s3.S3Client({
    ...(endpoint && { endpoint }),
    region: region ?? AWS_REGION ?? AWS_DEFAULT_REGION ?? 'us-east-1',
    // Servers of one's own seldom have a host name a bucket.
    forcePathStyle: pathStyle ?? (endpoint ?? AWS_ENDPOINT_URL_S3 ?? AWS_ENDPOINT_URL) !== undefined,
    maxAttempts: 5,
    followRegionRedirects: true,
    // Many compatible servers do not know the newer checksums, which the client would add unasked.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(anonymous && {
      credentials: { accessKeyId: 'anonymous', secretAccessKey: 'anonymous' },
      signer: { sign: async (request: any) => request },
    }),
  });
  return { s3, client };
}

export interface S3Path {
  readonly bucket: string;
  /** Without `/` at its beginning; empty for the bucket itself. */
  readonly key: string;
}

export function parseS3(path: string): S3Path {
  const match = /^s3a?:\/\/([^/]+)(?:\/(.*))?$/is.exec(path);
  if (!match) throw new SourceError(`${path}: an S3 path is s3://bucket/key`);
  return { bucket: match[1]!, key: match[2] ?? '' };
}

/** An error of the vendor's client as what the user can act on; nothing else of it is shown, for it may hold headers. */
export function s3Error(path: string, error: unknown, doing = 'read'): SourceError {
  if (error instanceof SourceError) return error;
  const { name, message, code, $metadata } = error as Error & {
    code?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  if (name === 'NoSuchBucket') return new SourceError(`${path}: there is no such bucket`);
  if (name === 'NoSuchUpload') return new SourceError(`${path}: the upload of this part was ended; save again`);
  if (status === 404 || name === 'NoSuchKey') return new SourceError(`${path}: no such object`);
  const keys =
    'credentials are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or the machine’s role';
  if (name === 'CredentialsProviderError')
    return new SourceError(
      `${path}: there are no credentials for S3; ${keys}, on every host. For public buckets set sheaf.s3.anonymous=true`,
    );
  const why = `${status ?? code ?? ''} ${message === 'UnknownError' ? name : `${name}: ${message}`}`.trim();
  return new SourceError(
    `${path}: it cannot be ${doing} (${why})${status === 401 || status === 403 ? `; ${keys}` : ''}`,
  );
}
