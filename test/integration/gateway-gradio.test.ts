import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import sharp from 'sharp';
import { WebSocket } from 'ws';
import { launchChromium, refuseOutsideRequests } from '../support/chromium.ts';
import { type GradioApp, startGradioApp } from '../support/gradio.ts';
import { until } from '../support/program.ts';
import { type Client, createClient } from './gateway/client.ts';
import { createWorld, type World } from './gateway/setup.ts';

const PREFIX = '/s/acme/gradio';

let world: World;
let client: Client;
let gradio: GradioApp;
let browser: Browser;
let context: BrowserContext;
let page: Page;
const failures: string[] = [];

before(async () => {
  [world, gradio, browser] = await Promise.all([
    createWorld(),
    startGradioApp({ rootPath: PREFIX }),
    launchChromium(),
  ]);
  client = createClient(world);
  await world.publish(({ services }) => {
    services['acme/gradio'] = {
      tenant: 'acme',
      name: 'gradio',
      engine: 'container',
      endpoints: [gradio.url],
      maxBodyBytes: 8 * 1024 * 1024,
      access: { addressSets: [] },
      timeoutSeconds: 60,
    };
  });
  context = await browser.newContext({ locale: 'en-US' });
  await refuseOutsideRequests(context);
  page = await context.newPage();
  page.on('pageerror', (error) => failures.push(error.message));
  page.on('response', (response) => {
    if (response.status() >= 400) failures.push(`${response.status()} ${response.url()}`);
  });
});
after(async () => {
  await browser.close();
  await Promise.all([gradio.stop(), world.close()]);
});

describe('a Gradio application behind the gateway', () => {
  it('is reached in a browser after signing in, and greets the user whom the gateway names', async () => {
    await page.setExtraHTTPHeaders({ 'X-User-Name': 'mallory', X_User_Id: 'mallory' });
    await page.goto(`${world.url}${PREFIX}/`);
    await page.getByLabel('API key').fill(client.keyOf('ada'));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(`${world.url}${PREFIX}/`);
    const greeting = page.locator('#greeting');
    await greeting.getByText('X-User-Name as the app saw it').waitFor();
    const text = await greeting.innerText();
    assert.match(text, /saw it: 王 ada \(X-User-ID: ada, X-Department: 设计部\)/);
  });

  it('takes a picture, shows progress and gives the result, by its own event streams', async () => {
    const picture = await sharp({
      create: { width: 40, height: 30, channels: 3, background: '#ff0000' },
    })
      .png()
      .toBuffer();
    await page
      .locator('#picture input[type=file]')
      .setInputFiles({ name: '照片 (1).png', mimeType: 'image/png', buffer: picture });
    await page.locator('#picture img').waitFor();
    await page.locator('#invert').click();
    const result = page.locator('#inverted img');
    await result.waitFor();
    const address = (await result.getAttribute('src')) ?? '';
    assert.ok(address.startsWith(`${world.url}${PREFIX}/`), address);
    const pixels = await sharp(await (await context.request.get(address)).body())
      .raw()
      .toBuffer();
    assert.deepEqual([...pixels.subarray(0, 3)], [0, 255, 255]);
  });

  it('streams its words one by one', async () => {
    const box = page.locator('#counted textarea');
    await page.locator('#stream').click();
    const seen = new Set<string>();
    await until('the last word', async () => {
      seen.add(await box.inputValue());
      return seen.has('one two three (end)');
    });
    assert.ok(seen.size > 2, [...seen].join(' | '));
  });

  it('gets a file of some megabytes as it is', async () => {
    const buffer = randomBytes(3_000_000);
    await page
      .locator('#upload input[type=file]')
      .setInputFiles({ name: 'data.bin', mimeType: 'application/octet-stream', buffer });
    const sha256 = createHash('sha256').update(buffer).digest('hex');
    const box = page.locator('#described textarea');
    await until('the digest', async () => (await box.inputValue()) !== '');
    assert.match(await box.inputValue(), new RegExp(`3000000 bytes, sha256 ${sha256}`));
  });

  it('had no request refused and no script fail in all this', () => {
    assert.deepEqual(failures, []);
  });

  it('speaks WebSocket through it, with the same identity', async () => {
    const socket = new WebSocket(`${world.url.replace('http', 'ws')}${PREFIX}/echo/socket?a=1`, {
      headers: { ...client.auth('ada'), 'X-User-ID': 'mallory' },
    });
    const messages: string[] = [];
    socket.on('message', (data: Buffer) => messages.push(data.toString()));
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    await until('the handshake', () => messages.length === 1);
    assert.match(messages[0] ?? '', /\["x-user-id", ?"ada"\]/);
    assert.doesNotMatch(messages[0] ?? '', /mallory/);
    socket.send('hello');
    await until('the echo', () => messages.includes('hello'));
    socket.send('close, please');
    assert.equal(await closed, 4001);
  });
});
