//! The words that texts are made of.

#[rustfmt::skip] // a table
pub(super) const FIRST_NAMES: [&str; 96] = [
    "Ada", "Adam", "Agnes", "Aisha", "Alan", "Alice", "Amara", "Amir", "Ana", "Anders", "Anita", "Arthur", "Astrid",
    "Aylin", "Beatrice", "Benjamin", "Bianca", "Boris", "Bridget", "Bruno", "Callum", "Camille", "Carlos", "Carmen",
    "Cecilia", "Chidi", "Clara", "Colin", "Dalia", "Daniel", "Daphne", "David", "Diana", "Diego", "Edith", "Edward",
    "Elena", "Elias", "Emil", "Emma", "Erik", "Esther", "Fatima", "Felix", "Fiona", "Frida", "Gabriel", "George",
    "Grace", "Greta", "Hana", "Harold", "Hassan", "Helen", "Hugo", "Ida", "Igor", "Imani", "Ines", "Isaac", "Ivan",
    "Jasmine", "Joel", "Julia", "Kamal", "Karen", "Kenji", "Lara", "Laura", "Leila", "Leo", "Lucas", "Magnus",
    "Maria", "Martin", "Maya", "Mei", "Miriam", "Nadia", "Nathan", "Nina", "Noah", "Olga", "Omar", "Oscar", "Paula",
    "Peter", "Priya", "Rafael", "Rosa", "Samuel", "Sofia", "Thomas", "Vera", "Yusuf", "Zoe",
];

#[rustfmt::skip] // a table
pub(super) const LAST_NAMES: [&str; 112] = [
    "Abbott", "Acker", "Adeyemi", "Ahmed", "Alvarez", "Andersen", "Archer", "Baker", "Baldwin", "Banks", "Barnes",
    "Becker", "Bennett", "Berg", "Blake", "Bonnet", "Brandt", "Brooks", "Burke", "Carver", "Castro", "Chen", "Clarke",
    "Collins", "Cooper", "Costa", "Cruz", "Dahl", "Dawson", "Delgado", "Demir", "Dixon", "Doyle", "Duarte", "Eklund",
    "Ellis", "Evans", "Farrell", "Ferrari", "Fischer", "Fletcher", "Fontaine", "Foster", "Fraser", "Garcia", "Gibson",
    "Gomez", "Graham", "Gupta", "Haas", "Hale", "Hansen", "Harper", "Hayes", "Hoffman", "Holt", "Hughes", "Ibrahim",
    "Ivanov", "Jansen", "Jensen", "Johnson", "Kato", "Keller", "Khan", "Kim", "Kovacs", "Lambert", "Larsen", "Lawson",
    "Lee", "Lopez", "Lund", "Marsh", "Meyer", "Mills", "Moreau", "Morgan", "Murphy", "Nakamura", "Nguyen", "Novak",
    "Okafor", "Olsen", "Ortega", "Osman", "Palmer", "Patel", "Pereira", "Petrov", "Quinn", "Ramos", "Reed", "Reyes",
    "Rossi", "Rowe", "Russo", "Sato", "Schmidt", "Shah", "Silva", "Singh", "Sorensen", "Stone", "Suzuki", "Torres",
    "Usman", "Vargas", "Wagner", "Walsh", "Weber", "Young",
];

#[rustfmt::skip] // a table
pub(super) const POSTER_STARTS: [&str; 48] = [
    "Amber", "Apple", "Autumn", "Basil", "Birch", "Blue", "Bright", "Calm", "Cedar", "Cherry", "Cloud", "Copper",
    "Coral", "Cosy", "Cotton", "Daisy", "Ember", "Fern", "Fog", "Garden", "Ginger", "Golden", "Harbor", "Hazel",
    "Honey", "Indigo", "Ivory", "Juniper", "Lemon", "Linen", "Little", "Lunar", "Maple", "Meadow", "Mint", "Moss",
    "Olive", "Opal", "Paper", "Pine", "Plum", "Quiet", "River", "Saffron", "Silver", "Thistle", "Velvet", "Willow",
];

#[rustfmt::skip] // a table
pub(super) const POSTER_ENDS: [&str; 40] = [
    "Attic", "Barn", "Bench", "Bird", "Boat", "Bridge", "Canvas", "Chair", "Corner", "Craft", "Dream", "Feather",
    "Field", "Fox", "Hearth", "Hill", "House", "Island", "Journal", "Kettle", "Kitchen", "Lane", "Lantern", "Loft",
    "Market", "Mill", "Needle", "Nest", "Notebook", "Orchard", "Pantry", "Path", "Pencil", "Porch", "Rose", "Shed",
    "Spoon", "Studio", "Table", "Thread",
];

/// What follows the two words of a poster's name.
#[rustfmt::skip] // a table
pub(super) const POSTER_TAILS: [&str; 8] = ["", " & Co", " Blog", " Daily", " Living", " Magazine", "™", " | by hand"];

/// The categories in the order of their blocks of indexes, with the end of each block, of 11,154, then their words.
#[rustfmt::skip] // a table
pub(super) const CATEGORIES: [Category; 13] = [
    Category { name: "art", end: 893, things: [
        "Watercolor Landscapes", "Charcoal Portraits", "Gouache Studies", "Ink Drawings", "Clay Figures", "Murals", "Linocut Prints", "Sketchbook Pages"
    ] },
    Category { name: "beauty", end: 1_640, things: [
        "Nail Designs", "Braided Hairstyles", "Skin Care Routines", "Lip Colors", "Short Haircuts", "Eye Makeup Looks", "Face Masks", "Perfume Blends"
    ] },
    Category { name: "christmas", end: 2_636, things: [
        "Advent Calendars", "Tree Ornaments", "Gingerbread Houses", "Door Wreaths", "Gift Wrappings", "Stockings", "Candle Displays", "Winter Cookies"
    ] },
    Category { name: "diy-and-crafts", end: 3_467, things: [
        "Macramé Hangers", "Paper Flowers", "Upcycled Jars", "Knitted Scarves", "Wooden Shelves", "Felt Toys", "Tie Dye Shirts", "Beaded Bracelets"
    ] },
    Category { name: "education", end: 4_330, things: [
        "Reading Corners", "Number Games", "Science Experiments", "Phonics Cards", "Lesson Plans", "Classroom Doors", "Spelling Lists", "Map Puzzles"
    ] },
    Category { name: "event-planning", end: 5_077, things: [
        "Seating Charts", "Garden Parties", "Balloon Arches", "Buffet Tables", "Guest Books", "Invitations", "Baby Showers", "Wedding Timelines"
    ] },
    Category { name: "finance", end: 5_865, things: [
        "Savings Trackers", "Monthly Budgets", "Side Incomes", "Debt Plans", "Grocery Lists", "Money Habits", "Index Funds", "No Spend Challenges"
    ] },
    Category { name: "home-decor", end: 6_722, things: [
        "Living Rooms", "Window Seats", "Open Shelves", "Entry Benches", "Gallery Walls", "Linen Curtains", "Kitchen Islands", "Reading Lamps"
    ] },
    Category { name: "mens-fashion", end: 7_574, things: [
        "Linen Suits", "Denim Jackets", "Leather Boots", "Knit Ties", "Overcoats", "Field Watches", "Canvas Sneakers", "Oxford Shirts"
    ] },
    Category { name: "quotes", end: 8_487, things: [
        "Morning Thoughts", "Lines About Courage", "Words for Friends", "Sayings on Patience", "Love Letters", "Notes to Self", "Travel Lines", "Short Poems"
    ] },
    Category { name: "tattoos", end: 9_457, things: [
        "Fine Line Flowers", "Forearm Sleeves", "Minimal Symbols", "Ankle Birds", "Blackwork Moths", "Compass Designs", "Matching Stars", "Wave Outlines"
    ] },
    Category { name: "travel", end: 10_313, things: [
        "Island Itineraries", "Mountain Huts", "Packing Lists", "City Walks", "Night Trains", "Beach Towns", "Road Trips", "Hidden Waterfalls"
    ] },
    Category { name: "vehicles", end: 11_154, things: [
        "Camper Vans", "Classic Coupes", "Cafe Racers", "Electric Scooters", "Off Road Trucks", "Vintage Tractors", "Rally Cars", "Sailing Boats"
    ] },
];

/// A category: its name, where its block of indexes ends, what its pins show.
#[derive(Clone, Copy, Default)]
pub(super) struct Category {
    pub(super) name: &'static str,
    pub(super) end: u64,
    pub(super) things: [&'static str; 8],
}

#[rustfmt::skip] // a table
pub(super) const KINDS: [&str; 32] = [
    "Airy", "Bold", "Budget", "Charming", "Clever", "Colorful", "Cosy", "Dreamy", "Easy", "Elegant", "Fresh", "Gentle",
    "Handmade", "Inspiring", "Joyful", "Lovely", "Modern", "Moody", "Natural", "Nordic", "Playful", "Quiet", "Rustic",
    "Simple", "Small Space", "Stylish", "Summer", "Timeless", "Unique", "Vintage", "Weekend", "Winter",
];

#[rustfmt::skip] // a table
pub(super) const TITLE_TAILS: [&str; 16] = [
    " to Try This Weekend", " You Will Love", " for Beginners", " | A Complete Guide", " That Feel Like Home",
    " on a Budget", " - Step by Step", " Worth Saving", " for Every Season", " in Five Minutes", " and How to Start",
    " We Keep Coming Back To", " for Small Spaces", ": The Long List", " Made Simple", " to Share with Friends",
];

/// Sentences of a description, before and after what the pin shows.
pub(super) const SENTENCES: [(&str, &str); 24] = [
    ("These ", " took us one afternoon and hardly any money."),
    ("Save this for later: ", " that look good all year round."),
    ("We asked three friends about ", " and wrote down what they said."),
    ("Everything you need to know about ", ", from the first idea to the last detail."),
    ("Looking for ", "? Here are the ones that we would choose again."),
    ("A short guide to ", " with photographs of every step."),
    ("Not sure where to begin with ", "? Start small, keep notes, change one thing at a time."),
    ("My grandmother taught me about ", ", so this one is for her."),
    ("The best ", " are those that you can finish in an evening."),
    ("If you like ", ", you will want to see the whole collection."),
    ("Some ", " need patience; others are done before the tea is cold."),
    ("Our readers sent in their favorite ", " from all over the world."),
    ("Find the pattern, the list of materials, more ", " in the link."),
    ("Old ", " get a second life with a little paint."),
    ("Ten ", " under twenty dollars, sorted by color."),
    ("Nothing makes a room feel warmer than ", "."),
    ("Take your ", " to the next level without buying anything new."),
    ("Pin it now, thank yourself later: ", " for busy people."),
    ("How we planned our own ", ", what went wrong, what we would do again."),
    ("Here is a look behind the scenes of ", "."),
    ("There is a reason why everybody talks about ", " this year."),
    ("Download the free printable with ", " at the end of the post."),
    ("Tag somebody who would enjoy ", "!"),
    ("Inspired by the sea, made by hand: ", " in soft colors."),
];

/// Things out of the ordinary that stand in real texts.
#[rustfmt::skip] // a table
pub(super) const FLOURISHES: [&str; 16] = [
    "✨ ", "😍 ", "🎄🎁 ", "❤️ ", "👩🏽‍🎨 ", "Идеи для дома — ", "Красиво и просто! ", "Crème brûlée & café: ", "Año nuevo, ",
    "Für Anfänger: ", "<p style=\"text-align: center\">", "<b>New</b> ", "\"So good\" ", "5' 10\" tall? ", "C:\\pins\\new ", "Part 1\nPart 2\n",
];

/// Endings of tags.
#[rustfmt::skip] // a table
pub(super) const TAG_ENDS: [&str; 16] = [
    " Ideas", " Inspiration", " Aesthetic", " Tutorial", " Design", " Art", " Projects", " For Kids", " Diy", " Tips",
    " Photography", " Style", " Board", " Trends", " Planner", " Collection",
];
