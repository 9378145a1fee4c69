// Sends with the real cloudevents SDK for Node, in all three modes. usage: cloudevents_node.cjs URL
const {CloudEvent, HTTP, Mode, emitterFor, httpTransport} = require('cloudevents');

async function post(message) {
  const answer = await fetch(process.argv[2], {method: 'POST', headers: message.headers, body: message.body});
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${text}`);
  return JSON.parse(text);
}

function order(id, total) {
  return new CloudEvent({type: 'com.shop.order.paid', source: '/node/shop', id, time: '2026-01-02T03:04:05.678Z', region: 'West',
    data: {buyer: {id: 'node-customer'}, total, items: [{sku: 'N'}]}});
}

(async () => {
  await post(HTTP.binary(order('n-1', 1.5)));
  await post(HTTP.structured(order('n-2', 2.25)));
  // the SDK's own sender, in its usual mode, sends the first again
  const emit = emitterFor(httpTransport(process.argv[2]), {mode: Mode.BINARY});
  const again = await emit(order('n-1', 1.5));
  if (JSON.parse(again.body).status !== 'duplicate') throw new Error(again.body);
  const batch = await post({headers: {'content-type': 'application/cloudevents-batch+json'},
    body: JSON.stringify([order('n-3', 3), order('n-3', 3), {specversion: '1.0'}])});
  if (batch.stored !== 1 || batch.duplicate !== 1 || batch.quarantined !== 1) throw new Error(JSON.stringify(batch));
})().catch((error) => { console.error(error); process.exit(1); });
