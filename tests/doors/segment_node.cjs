// Sends with the real @segment/analytics-node, as an application would. usage: node segment_node.cjs URL WRITE_KEY
const { Analytics } = require('@segment/analytics-node')

async function main() {
  const [, , host, writeKey] = process.argv
  const analytics = new Analytics({ writeKey, host, path: '/v1/batch', flushAt: 50 })
  const failures = []
  analytics.on('error', (error) => failures.push(JSON.stringify(error)))
  analytics.track({ anonymousId: 'anon-node', event: 'Order Completed', messageId: 'node-0', properties: { total: 20, sku: 'BEFORE' } })
  analytics.identify({ userId: 'node-user', anonymousId: 'anon-node', messageId: 'node-1', traits: { name: '王芳', plan: 'gold', annualSpend: 12.5 } })
  analytics.track({ userId: 'node-user', event: 'Order Completed', messageId: 'node-2', timestamp: new Date(Date.now() - 3600_000),
                    properties: { total: 99.95, products: [{ sku: 'A-1' }], coupon: 'NONE' } })
  analytics.page({ userId: 'node-user', name: 'Home', messageId: 'node-3', properties: { path: '/' } })
  analytics.group({ userId: 'node-user', groupId: 'acme', messageId: 'node-4', traits: { name: 'ACME' } })
  analytics.track({ userId: 'node-user', event: 'Order Completed', messageId: 'node-5', properties: { total: 'much' } })
  analytics.alias({ userId: 'node-user', previousId: 'node-lead' })
  await analytics.closeAndFlush()
  if (failures.length > 0) throw new Error(failures.join('\n'))
}

main().catch((error) => { console.error(error); process.exit(1) })
