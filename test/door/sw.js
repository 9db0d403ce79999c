// Sends all kinds of requests that a service worker can send.
self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()))
self.addEventListener('message', event => {
  const {url, soap} = event.data
  const all = []
  for (const type of ['text/xml', 'text/plain']) {
    for (const mode of ['cors', 'no-cors', 'same-origin']) {
      for (const referrerPolicy of ['no-referrer', 'unsafe-url']) {
        all.push(fetch(url, {method: 'POST', mode, referrerPolicy, body: soap, headers: {'Content-Type': type}}).catch(() => {}))
      }
    }
  }
  event.waitUntil(Promise.all(all))
})
// Sends a page's own requests through the worker.
self.addEventListener('fetch', event => {
  if (event.request.method === 'POST') event.respondWith(fetch(event.request))
})
