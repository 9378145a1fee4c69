// Sends with the real @rudderstack/rudder-sdk-node (gzip is on by default). usage: node rudder_node.cjs URL WRITE_KEY
const RudderAnalytics = require('@rudderstack/rudder-sdk-node')

async function main() {
  const [, , url, writeKey] = process.argv
  const client = new RudderAnalytics(writeKey, { dataPlaneUrl: url, flushAt: 50, logLevel: 'error' })
  client.identify({ userId: 'rudder-user', traits: { name: 'Li Wei', plan: 'silver' } })
  client.track({ userId: 'rudder-user', event: 'Order Completed', messageId: 'rudder-1', properties: { total: 5.5, sku: 'R-1' } })
  client.track({ userId: 'rudder-user', event: 'No Such Thing', messageId: 'rudder-2' })
  await client.flush()
}

main().catch((error) => { console.error(error); process.exit(1) })
