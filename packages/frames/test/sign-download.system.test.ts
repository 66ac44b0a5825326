import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { startS3Server } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { signDownload } from '../src/index.js';

it('signs a URL with which an object can be read in ranges', async () => {
  const { env, bucket, url, close } = await startS3Server();
  onTestFinished(close);
  const credentials = { accessKeyId: `${env.AWS_ACCESS_KEY_ID}`, secretAccessKey: `${env.AWS_SECRET_ACCESS_KEY}` };
  const settings = { region: 'us-east-1', endpoint: url, pathStyle: true, credentials };
  const client = new S3Client({ region: 'us-east-1', endpoint: url, forcePathStyle: true, credentials });
  onTestFinished(() => client.destroy());
  const key = 'models/an ü+1.safetensors';
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: '0123456789' }));
  const headers = { Range: 'bytes=2-4' };
  const answer = await fetch(await signDownload(settings, { bucket, key }), { headers });
  expect([answer.status, await answer.text()]).toEqual([206, '234']);
  expect(answer.headers.get('content-range')).toBe('bytes 2-4/10');
  expect((await fetch(`${url}/${bucket}/${key}`)).status).toBe(403);
});
