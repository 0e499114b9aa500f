//! What a byte of x86-64 code may be the beginning of, asked of many bytes at a time.
//!
//! Instructions of interest have certain bytes. A class is a set of values for a byte and some neighbours, each set the
//! product of high and low halves: sixteen-entry tables say of all classes at once which a half fits, and processors with
//! AVX2 look up 32 halves with one instruction. Elsewhere the same tables, multiplied out, are asked byte by byte.
//! Classes are necessary conditions: what they pass over cannot be of interest, what they let through is looked at
//! again. Pure.

/// The number of bytes that are classified at a time.
pub(super) const CHUNK: usize = 4096;
/// The size of a chunk with the neighbours that are looked at: one before, six after.
pub(super) const SEEN: usize = 1 + CHUNK + 6;
const BLOCK: usize = 64;
const BLOCKS: usize = CHUNK / BLOCK;

/// Class of a call or jump that can reach a stub, or of an entry of a jump table.
pub(super) const BRANCH: u8 = 1;
/// Class of `ret`; the byte after `call` or `jmp` is part of a distance.
const RETURN: u8 = 1 << 1;
/// Class of `lea reg, [rip+x]`, which may take the address of code.
pub(super) const CODE_ADDRESS: u8 = 1 << 2;
/// Class of `lea reg, [rsp+x]`, and of other registers that a SIB byte names.
pub(super) const BY_STACK: u8 = 1 << 3;
/// Class of `lea reg, [rbp+x]`.
pub(super) const BY_FRAME: u8 = 1 << 4;

/// Class of everything in [`RARE`].
const OTHER: u8 = 1 << 7;

/// A set of values of a byte: its high halves and its low halves, a bit for each of the sixteen.
type Set = (u16, u16);
/// A class of instructions: sets for the byte before, the byte itself and the two after it.
type Class = [Set; 4];
const ANY: Set = (0xffff, 0xffff);
const NONE: Class = [(0, 0); 4];
/// Prefixes of 64-bit operands: REX.W, maybe with REX.R; none of r8 to r15 is the base.
const WIDE: Set = (halves(&[4]), halves(&[8, 0xc]));
const REX_W: Set = (halves(&[4]), 0xff00);
/// Opcodes of instructions that compilers reach elements of arrays with: 0x, 2x, 3x arithmetic, 8x mov, cx mov of a number,
/// fx inc and dec; after 0f 1x, 2x, 5x, 6x, 7x vectors, bx extension, dx.
const ACCESS: Set = (halves(&[0, 1, 2, 3, 5, 6, 7, 8, 0xb, 0xc, 0xd, 0xf]), 0xffff);
const LEA: Set = (halves(&[8]), halves(&[0xd]));

/// All classes; the bit of a class is its index.
const CLASSES: [Class; 8] = [
    [ANY, (halves(&[0xe]), halves(&[8, 9])), ANY, ANY],
    [ANY, (halves(&[0xc]), halves(&[3])), ANY, ANY],
    [WIDE, LEA, (0x000f, halves(&[5, 0xd])), ANY],
    // A ModRM byte with SIB, whose base is rsp, rbp, r12 or r13.
    [ANY, LEA, (0x0fff, halves(&[4, 0xc])), (0xffff, halves(&[4, 5, 0xc, 0xd]))],
    // A ModRM byte with rbp or r13 and a displacement.
    [ANY, LEA, (0x0ff0, halves(&[5, 0xd])), ANY],
    // 29 2b 89 8b 81 (and 21): sub and mov, rsp or r12 is written.
    [REX_W, (halves(&[2, 8]), halves(&[1, 9, 0xb])), (0xf000, halves(&[4, 0xc])), ANY],
    // 29 2b 89 8b without REX.R: rsp is the register.
    [(halves(&[4]), 0x0f00), (halves(&[2, 8]), halves(&[9, 0xb])), (halves(&[0xe]), 0x00ff), ANY],
    NONE,
];

/// Rare classes, which share the bit `OTHER`.
const RARE: [Class; 8] = [
    // The displacement of fs:[0x28].
    [ANY, (halves(&[2]), halves(&[5])), (halves(&[2]), halves(&[8])), ANY],
    // ud1
    [
        (halves(&[6]), halves(&[7])),
        (halves(&[0]), halves(&[0xf])),
        (halves(&[0xb]), halves(&[9])),
        ANY,
    ],
    // mov fs:[x], reg
    [
        ANY,
        (halves(&[6]), halves(&[4])),
        (halves(&[4]), halves(&[8, 9, 0xc, 0xd])),
        (halves(&[8]), halves(&[9])),
    ],
    // call and jmp [rip+x]
    [ANY, (halves(&[0xf]), halves(&[0xf])), (halves(&[1, 2]), halves(&[5])), ANY],
    // sub rsp, [x]
    [
        (halves(&[4]), 0xff00),
        (halves(&[2]), halves(&[0xb])),
        (halves(&[2, 6, 0xa]), halves(&[4, 5])),
        ANY,
    ],
    // A ModRM byte with SIB after an opcode that reads or writes memory: rsp (or r12) and an index of an even number.
    [
        ACCESS,
        (0x0fff, halves(&[4, 0xc])),
        (halves(&[0, 1, 3, 4, 5, 7, 8, 9, 0xb, 0xc, 0xd, 0xf]), halves(&[4])),
        ANY,
    ],
    // The same with an index of an odd number, or with rbp.
    [ACCESS, (0x0fff, halves(&[4, 0xc])), (0xffff, halves(&[5, 0xc, 0xd])), ANY],
    // The same with r12 as the index: REX.X before the opcode, SIB 24, 64, a4 or e4.
    [
        (halves(&[4]), halves(&[2, 3, 6, 7, 0xa, 0xb, 0xe, 0xf])),
        (halves(&[0, 2, 3, 8, 0xc]), !halves(&[0xd])),
        (0x0fff, halves(&[4, 0xc])),
        (halves(&[2, 6, 0xa, 0xe]), halves(&[4])),
    ],
];

const fn halves(values: &[u8]) -> u16 {
    let (mut out, mut index) = (0, 0);
    while index < values.len() {
        out |= 1 << values[index];
        index += 1;
    }
    out
}

/// The classes that each value of half a byte fits.
type Table = [u8; 16];
/// Tables for the four places of a class, for high and for low halves.
type Tables = [(Table, Table); 4];

const fn table(classes: &[Class; 8], place: usize, high: bool) -> Table {
    let mut out = [0; 16];
    let mut value = 0;
    while value < 16 {
        let mut class = 0;
        while class < 8 {
            let (of_high, of_low) = classes[class][place];
            let set = if high { of_high } else { of_low };
            if set >> value & 1 == 1 {
                out[value] |= 1 << class;
            }
            class += 1;
        }
        value += 1;
    }
    out
}

const fn tables(classes: &[Class; 8]) -> Tables {
    let mut out = [([0; 16], [0; 16]); 4];
    let mut place = 0;
    while place < 4 {
        out[place] = (table(classes, place, true), table(classes, place, false));
        place += 1;
    }
    out
}

/// Tables by whole bytes, for processors without vectors.
const fn of_bytes(tables: &Tables) -> [[u8; 256]; 4] {
    let mut out = [[0; 256]; 4];
    let mut place = 0;
    while place < 4 {
        let mut value = 0;
        while value < 256 {
            out[place][value] = tables[place].0[value >> 4] & tables[place].1[value & 15];
            value += 1;
        }
        place += 1;
    }
    out
}

static OF_CLASSES: Tables = tables(&CLASSES);
static OF_RARE: Tables = tables(&RARE);

/// The distances of a relative branch that reach a range of addresses, by their two high bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    /// The first value of a byte, and how many follow: they may go on from 255 to 0.
    third: (u8, u8),
    fourth: (u8, u8),
}

impl Near {
    /// Distances from instructions that end between `from.0` and `from.1` to addresses between
    /// `to.0` and `to.1`. `None` where none can.
    pub(super) fn new(from: (u64, u64), to: (u64, u64)) -> Option<Self> {
        let least = i128::from(to.0) - i128::from(from.1);
        let most = i128::from(to.1) - i128::from(from.0);
        if most < i128::from(i32::MIN) || least > i128::from(i32::MAX) {
            return None;
        }
        let range = |shift: u32| {
            let least = least.max(i32::MIN.into()) >> shift;
            let most = most.min(i32::MAX.into()) >> shift;
            match u8::try_from(most - least) {
                Ok(count) => (u8::try_from(least & 0xff).unwrap_or(0), count),
                Err(_) => (0, u8::MAX),
            }
        };
        Some(Self { third: range(16), fourth: range(24) })
    }
}

/// Limits of a search: where distances and numbers must lead to be of interest.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places {
    /// Stubs that branches lead to.
    pub(super) stubs: Option<Near>,
    /// Code whose address is taken.
    pub(super) code: Option<Near>,
    /// The highest byte of numbers that are addresses: the first value, and how many follow.
    pub(super) numbers: Option<(u8, u8)>,
}

/// The classes of the bytes of a chunk.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) classes: [u8; CHUNK],
    /// A bit for each byte that has a class other than `RETURN`, in blocks of 64.
    pub(super) hits: [u64; BLOCKS],
    /// A bit for each `ret`.
    pub(super) returns: [u64; BLOCKS],
    /// A bit for each `mov reg, number` that may be an address.
    pub(super) numbers: [u64; BLOCKS],
}

impl Chunk {
    pub(super) fn new() -> Self {
        let nothing = [0; BLOCKS];
        Self { classes: [0; CHUNK], hits: nothing, returns: nothing, numbers: nothing }
    }

    /// Classifies a chunk; `bytes[0]` is the byte before it.
    pub(super) fn read(&mut self, bytes: &[u8; SEEN], places: &Places) {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            simd.vectorize(vector::Read { simd, bytes, places, out: self });
            return;
        }
        self.read_bytewise(bytes, places);
    }

    fn read_bytewise(&mut self, bytes: &[u8; SEEN], places: &Places) {
        static TABLES: [[[u8; 256]; 4]; 2] = [of_bytes(&OF_CLASSES), of_bytes(&OF_RARE)];
        let within = |byte: u8, (first, count): (u8, u8)| byte.wrapping_sub(first) <= count;
        let reaches = |near: Option<Near>, third: u8, fourth: u8| {
            near.is_some_and(|near| within(third, near.third) && within(fourth, near.fourth))
        };
        *self = Self::new();
        for (at, seen) in bytes.windows(8).enumerate() {
            let fits = |tables: &[[u8; 256]; 4]| {
                let all = tables.iter().zip(seen).map(|(table, byte)| table[usize::from(*byte)]);
                all.fold(u8::MAX, |all, fits| all & fits)
            };
            let mut class = fits(&TABLES[0]);
            if !reaches(places.stubs, seen[4], seen[5]) && seen[6] != 0xcc {
                class &= !BRANCH;
            }
            if !reaches(places.code, seen[5], seen[6]) {
                class &= !CODE_ADDRESS;
            }
            if seen[0] & 0xfe == 0xe8 {
                class &= !RETURN;
            }
            if fits(&TABLES[1]) != 0 {
                class |= OTHER;
            }
            let number = (seen[1] & 0xf8 == 0xb8 || seen[1] == 0xc7)
                && places.numbers.is_some_and(|top| within(seen[5], top) || within(seen[6], top));
            self.classes[at] = class;
            let (block, bit) = (at / BLOCK, at % BLOCK);
            self.hits[block] |= u64::from(class & !RETURN != 0) << bit;
            self.returns[block] |= u64::from(class & RETURN != 0) << bit;
            self.numbers[block] |= u64::from(number) << bit;
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(clippy::inline_always, reason = "what is not inlined is not compiled for AVX2")]
mod vector {
    use core::arch::x86_64::__m256i;

    use super::{
        BLOCK, BLOCKS, BRANCH, CODE_ADDRESS, Chunk, Near, OF_CLASSES, OF_RARE, OTHER, Places,
        RETURN, SEEN, Table, Tables,
    };

    const HALF: usize = BLOCK / 2;

    pub(super) struct Read<'c> {
        pub(super) simd: pulp::x86::V3,
        pub(super) bytes: &'c [u8; SEEN],
        pub(super) places: &'c Places,
        pub(super) out: &'c mut Chunk,
    }

    type Lookup = [(__m256i, __m256i); 4];

    /// A table twice in a vector, since each half of a vector is looked up in its own.
    #[inline(always)]
    fn twice(table: Table) -> __m256i {
        pulp::cast([table, table])
    }

    #[inline(always)]
    fn lookup(tables: &Tables) -> Lookup {
        let [a, b, c, d] = *tables;
        [
            (twice(a.0), twice(a.1)),
            (twice(b.0), twice(b.1)),
            (twice(c.0), twice(c.1)),
            (twice(d.0), twice(d.1)),
        ]
    }

    #[inline(always)]
    fn load(bytes: &[u8; SEEN], at: usize) -> __m256i {
        let mut copy = [0; HALF];
        copy.copy_from_slice(&bytes[at..at + HALF]);
        pulp::cast(copy)
    }

    #[derive(Clone, Copy)]
    struct Lanes(pulp::x86::V3);

    impl Lanes {
        #[inline(always)]
        fn all(self, byte: u8) -> __m256i {
            self.0.avx._mm256_set1_epi8(byte.cast_signed())
        }

        #[inline(always)]
        fn and(self, a: __m256i, b: __m256i) -> __m256i {
            self.0.avx2._mm256_and_si256(a, b)
        }

        #[inline(always)]
        fn or(self, a: __m256i, b: __m256i) -> __m256i {
            self.0.avx2._mm256_or_si256(a, b)
        }

        #[inline(always)]
        fn without(self, a: __m256i, b: __m256i) -> __m256i {
            self.0.avx2._mm256_andnot_si256(b, a)
        }

        #[inline(always)]
        fn equal(self, a: __m256i, b: __m256i) -> __m256i {
            self.0.avx2._mm256_cmpeq_epi8(a, b)
        }

        #[inline(always)]
        fn bits(self, mask: __m256i) -> u32 {
            self.0.avx2._mm256_movemask_epi8(mask).cast_unsigned()
        }

        #[inline(always)]
        fn within(self, byte: __m256i, (first, count): (u8, u8)) -> __m256i {
            let distance = self.0.avx2._mm256_sub_epi8(byte, self.all(first));
            self.equal(self.0.avx2._mm256_min_epu8(distance, self.all(count)), distance)
        }

        #[inline(always)]
        fn reaches(self, near: Option<Near>, third: __m256i, fourth: __m256i) -> __m256i {
            match near {
                Some(near) => {
                    self.and(self.within(third, near.third), self.within(fourth, near.fourth))
                }
                None => self.all(0),
            }
        }

        /// The classes that a byte at one of the four places fits.
        #[inline(always)]
        fn fits(self, (high, low): (__m256i, __m256i), byte: __m256i) -> __m256i {
            let halves = self.all(15);
            let of_low = self.and(byte, halves);
            let of_high = self.and(self.0.avx2._mm256_srli_epi16::<4>(byte), halves);
            self.and(
                self.0.avx2._mm256_shuffle_epi8(high, of_high),
                self.0.avx2._mm256_shuffle_epi8(low, of_low),
            )
        }

        #[inline(always)]
        fn all_fit(self, lookup: &Lookup, bytes: &[u8; SEEN], at: usize) -> __m256i {
            self.and(
                self.and(
                    self.fits(lookup[0], load(bytes, at)),
                    self.fits(lookup[1], load(bytes, at + 1)),
                ),
                self.and(
                    self.fits(lookup[2], load(bytes, at + 2)),
                    self.fits(lookup[3], load(bytes, at + 3)),
                ),
            )
        }

        /// Looks up the classes of half a block of bytes.
        #[inline(always)]
        fn classes(
            self,
            (of_classes, of_rare): (&Lookup, &Lookup),
            bytes: &[u8; SEEN],
            at: usize,
            places: &Places,
        ) -> __m256i {
            let class = self.all_fit(of_classes, bytes, at);
            let not_rare = self.equal(self.all_fit(of_rare, bytes, at), self.all(0));
            let (third, fourth, fifth) =
                (load(bytes, at + 4), load(bytes, at + 5), load(bytes, at + 6));
            let branch = self
                .or(self.equal(fifth, self.all(0xcc)), self.reaches(places.stubs, third, fourth));
            let address = self.reaches(places.code, fourth, fifth);
            let before = self.and(load(bytes, at), self.all(0xfe));
            let distance = self.equal(before, self.all(0xe8));
            let class = self.and(class, self.or(branch, self.all(!BRANCH)));
            let class = self.and(class, self.or(address, self.all(!CODE_ADDRESS)));
            let class = self.without(class, self.and(distance, self.all(RETURN)));
            self.or(class, self.without(self.all(OTHER), not_rare))
        }

        #[inline(always)]
        fn numbers(self, bytes: &[u8; SEEN], at: usize, top: (u8, u8)) -> u32 {
            let opcode = load(bytes, at + 1);
            let moves = self.or(
                self.equal(self.and(opcode, self.all(0xf8)), self.all(0xb8)),
                self.equal(opcode, self.all(0xc7)),
            );
            let tops = self
                .or(self.within(load(bytes, at + 5), top), self.within(load(bytes, at + 6), top));
            self.bits(self.and(moves, tops))
        }
    }

    impl pulp::NullaryFnOnce for Read<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { simd, bytes, places, out } = self;
            let lanes = Lanes(simd);
            let (of_classes, of_rare) = (lookup(&OF_CLASSES), lookup(&OF_RARE));
            for index in 0..BLOCKS {
                let (mut hits, mut returns, mut numbers) = (0, 0, 0);
                for half in 0..2 {
                    let (at, shift) = (index * BLOCK + half * HALF, half * HALF);
                    let class = lanes.classes((&of_classes, &of_rare), bytes, at, places);
                    let returning = lanes.and(class, lanes.all(RETURN));
                    let hit = lanes.and(class, lanes.all(!RETURN));
                    hits |= u64::from(!lanes.bits(lanes.equal(hit, lanes.all(0)))) << shift;
                    let ones = lanes.bits(lanes.equal(returning, lanes.all(RETURN)));
                    returns |= u64::from(ones) << shift;
                    if let Some(top) = places.numbers {
                        numbers |= u64::from(lanes.numbers(bytes, at, top)) << shift;
                    }
                    out.classes[at..at + HALF]
                        .copy_from_slice(&pulp::cast::<__m256i, [u8; HALF]>(class));
                }
                (out.hits[index], out.returns[index], out.numbers[index]) =
                    (hits, returns, numbers);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BRANCH, CHUNK, Chunk, Near, Places, SEEN};

    /// Bytes that instructions of interest have, and others; the same on every machine.
    fn code(seed: u64) -> [u8; SEEN] {
        const LIKELY: [u8; 40] = [
            0x48, 0x49, 0x4a, 0x4c, 0x4d, 0x8d, 0x89, 0x8b, 0x29, 0x2b, 0x81, 0x24, 0x44, 0x84,
            0x05, 0x0d, 0x45, 0x85, 0xe0, 0xe5, 0xc4, 0xec, 0xe8, 0xe9, 0xc3, 0xcc, 0x64, 0x25,
            0x28, 0x0f, 0xb9, 0xff, 0x15, 0x67, 0x55, 0x31, 0xc9, 0x00, 0x01, 0x41,
        ];
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        std::array::from_fn(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let [byte, which, ..] = state.to_le_bytes();
            if which < 200 { LIKELY[usize::from(byte) % LIKELY.len()] } else { byte }
        })
    }

    #[test]
    fn bytes_have_the_same_classes_one_by_one() {
        let near = [
            None,
            Near::new((0x1005, 0x2005), (0x100, 0x900)),
            Near::new((0x1005, 0x2005), (0x40_0000, 0xffff_ffff)),
            Near::new((0x1200_1005, 0x1200_2005), (0x100_0000, 0x200_0000)),
        ];
        for seed in 0..64 {
            let bytes = code(seed);
            let seed = usize::try_from(seed).unwrap();
            let places = Places {
                stubs: near[seed % near.len()],
                code: near[seed / 4 % near.len()],
                numbers: [None, Some((0, 1)), Some((0xfe, 0x80))][seed % 3],
            };
            let (mut one, mut other) = (Chunk::new(), Chunk::new());
            one.read(&bytes, &places);
            other.read_bytewise(&bytes, &places);
            assert_eq!(one.classes, other.classes);
            assert_eq!(
                (one.hits, one.returns, one.numbers),
                (other.hits, other.returns, other.numbers)
            );
        }
    }

    /// What the scan looks for, written down as what an instruction is.
    fn wanted(seen: &[u8]) -> bool {
        let [before, a, b, c] = [seen[0], seen[1], seen[2], seen[3]];
        let rex_w = matches!(before, 0x48..=0x4f);
        let sib = b & 7 == 4 && b < 0xc0;
        // An element of an array on the stack: mov [rsp+reg], mov reg, [rbp+reg-x].
        let access = matches!(before, 0x88..=0x8b | 0xb6 | 0xb7 | 0xbe | 0xc6 | 0xc7 | 0x11 | 0x7f);
        if access && a & 7 == 4 && a < 0xc0 && (b & 7 == 4 && b & 0x38 != 0x20 || b & 7 == 5) {
            return true;
        }
        let widened =
            matches!(before, 0x42 | 0x46 | 0x4a | 0x4e) && matches!(a, 0x88..=0x8b | 0xc6);
        if widened && b & 7 == 4 && b < 0xc0 && c & 0x3f == 0x24 {
            return true;
        }
        match a {
            0x8d => {
                b & 0xc7 == 5 && matches!(before, 0x48 | 0x4c)
                    || sib && matches!(c & 7, 4 | 5)
                    || matches!(b & 0xc7, 0x45 | 0x85)
            }
            0x89 => rex_w && (b & 0xc7 == 0xc4 || b & 0xf8 == 0xe0 && before & 4 == 0),
            0x8b => rex_w && b & 0xc7 == 0xc4,
            0x29 => rex_w && b & 0xc7 == 0xc4,
            0x2b => rex_w && before & 4 == 0 && (b & 0xf8 == 0xe0 || b & 0x3e == 0x24),
            0x81 => rex_w && matches!(b, 0xc4 | 0xec),
            _ => {
                matches!((a, b), (0x25, 0x28) | (0xff, 0x15 | 0x25))
                    || (before, a, b) == (0x67, 0x0f, 0xb9)
                    || a == 0x64 && matches!(b, 0x48 | 0x49 | 0x4c | 0x4d) && c == 0x89
            }
        }
    }

    #[test]
    fn nothing_of_interest_is_passed_over() {
        let mut asked = 0;
        for seed in 0..256 {
            let bytes = code(seed);
            let mut chunk = Chunk::new();
            let anywhere = Near::new((0, 1 << 31), (0, u64::MAX));
            let places = Places { stubs: None, code: anywhere, numbers: Some((0, 0xff)) };
            chunk.read(&bytes, &places);
            for (at, seen) in bytes.windows(8).enumerate() {
                let hit = chunk.hits[at / 64] >> (at % 64) & 1 == 1;
                assert!(hit || !wanted(seen), "{seen:02x?}");
                let returns = chunk.returns[at / 64] >> (at % 64) & 1 == 1;
                assert_eq!(returns, seen[1] == 0xc3 && seen[0] & 0xfe != 0xe8);
                let number = chunk.numbers[at / 64] >> (at % 64) & 1 == 1;
                assert_eq!(number, matches!(seen[1], 0xb8..=0xbf | 0xc7));
                asked += 1;
            }
        }
        assert_eq!(asked, 256 * CHUNK);
    }

    #[test]
    fn a_branch_that_can_reach_is_not_passed_over() {
        let (from, to) = ((0x1005_u64, 0x2005_u64), (0x12_0000_u64, 0x12_4000_u64));
        let near = Near::new(from, to);
        for (end, target) in [(from.0, to.0), (from.0, to.1), (from.1, to.0), (from.1, to.1)] {
            for (end, target) in [(end, target), (target, end)] {
                let near = if end < 0x1_0000 { near } else { Near::new(to, from) };
                let distance = u32::try_from(target.wrapping_sub(end) & 0xffff_ffff).unwrap();
                let mut bytes = [0x90; SEEN];
                bytes[1] = 0xe8;
                bytes[2..6].copy_from_slice(&distance.to_le_bytes());
                let mut chunk = Chunk::new();
                chunk.read(&bytes, &Places { stubs: near, ..Places::default() });
                assert_eq!(chunk.classes[0], BRANCH, "{end:x} {target:x}");
            }
        }
        assert!(Near::new((0, 0x1000), (0x1_0000_0000, 0x1_0000_1000)).is_none());
    }
}
