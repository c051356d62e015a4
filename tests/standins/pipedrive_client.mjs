// Drives a Pipedrive API with the official client: node pipedrive_client.mjs PACKAGES URL TOKEN
import { createRequire } from "node:module";

const [packages, url, token] = process.argv.slice(2);
const require = createRequire(`${packages}/`);
const v1 = require("pipedrive/v1");
const v2 = require("pipedrive/v2");

const configure = (version, path) =>
  new version.Configuration({ apiKey: token, basePath: `${url}${path}` });
const deals = new v2.DealsApi(configure(v2, "/api/v2"));
const fields = new v2.DealFieldsApi(configure(v2, "/api/v2"));
const activities = new v2.ActivitiesApi(configure(v2, "/api/v2"));
const users = new v1.UsersApi(configure(v1, "/v1"));
const types = new v1.ActivityTypesApi(configure(v1, "/v1"));

const me = await users.getCurrentUser();
const kinds = await types.getActivityTypes();
const field = await fields.addDealField({
  AddDealFieldRequest: { field_name: "GitHub", field_type: "varchar" },
});
const deal = await deals.addDeal({
  AddDealRequest: { title: "ada", custom_fields: { [field.data.field_code]: "ada" } },
});
const added = [];
for (let number = 0; number < 5; number += 1) {
  const activity = await activities.addActivity({
    AddActivityRequest: { subject: `gist ${number}`, deal_id: deal.data.id, done: true },
  });
  added.push(activity.data.id);
}
const listed = [];
let cursor;
do {
  const page = await activities.getActivities({
    deal_id: deal.data.id,
    sort_by: "id",
    sort_direction: "desc",
    limit: 2,
    cursor,
  });
  listed.push(...page.data.map((activity) => activity.id));
  cursor = page.additional_data.next_cursor;
} while (cursor);
const found = await deals.searchDeals({ term: "ada", fields: "title" });
await activities.deleteActivity({ id: added[0] });
let refusal;
try {
  await activities.addActivity({ AddActivityRequest: { subject: "x", person_id: 1 } });
} catch (error) {
  refusal = error.success; // the client throws the answer's body
}

console.log(
  JSON.stringify({
    me: me.data.id,
    kinds: kinds.data.map((kind) => kind.key_string),
    deal: deal.data.id,
    found: found.data.items.map((row) => row.item.id),
    added,
    listed,
    refusal,
  }),
);
