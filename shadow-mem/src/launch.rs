//! A launch: its shape, and its arguments as every device sees them.

/// Shape of a launch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Launch {
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads per block along x, y, z.
    pub block: [u32; 3],
    /// Dynamic shared memory, bytes per block.
    pub shared: u32,
}

impl Launch {
    /// A launch of that shape; missing dimensions are 1.
    pub fn new(grid: impl Into<Dim>, block: impl Into<Dim>) -> Launch {
        Launch { grid: grid.into().0, block: block.into().0, shared: 0 }
    }

    /// The same launch with that many bytes of dynamic shared memory per block.
    pub fn with_shared(self, shared: u32) -> Launch {
        Launch { shared, ..self }
    }

    /// Blocks in the grid; at most 2^96.
    pub fn blocks(&self) -> u128 {
        self.grid.iter().map(|&n| u128::from(n)).product()
    }

    /// Threads in a block; at most 2^96.
    pub fn threads_per_block(&self) -> u128 {
        self.block.iter().map(|&n| u128::from(n)).product()
    }

    /// Threads of the whole launch; `None` when they do not fit 64 bits.
    pub fn threads(&self) -> Option<u64> {
        self.blocks().checked_mul(self.threads_per_block()).and_then(|n| u64::try_from(n).ok())
    }
}

/// One to three dimensions; what is missing is 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dim(pub [u32; 3]);

impl From<u32> for Dim {
    fn from(x: u32) -> Dim {
        Dim([x, 1, 1])
    }
}

impl From<(u32, u32)> for Dim {
    fn from((x, y): (u32, u32)) -> Dim {
        Dim([x, y, 1])
    }
}

impl From<(u32, u32, u32)> for Dim {
    fn from((x, y, z): (u32, u32, u32)) -> Dim {
        Dim([x, y, z])
    }
}

impl From<[u32; 3]> for Dim {
    fn from(d: [u32; 3]) -> Dim {
        Dim(d)
    }
}

/// An extent of device memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Extent {
    /// First byte, as the device addresses it.
    pub address: u64,
    /// Length in bytes.
    pub bytes: u64,
}

impl Extent {
    /// True when the two share a byte.
    pub fn overlaps(&self, other: &Extent) -> bool {
        self.bytes > 0
            && other.bytes > 0
            && u128::from(self.address) < u128::from(other.address) + u128::from(other.bytes)
            && u128::from(other.address) < u128::from(self.address) + u128::from(self.bytes)
    }
}

/// One argument of a launch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arg {
    /// Pointer to device memory, with the extent that the kernel may use.
    Pointer(Extent),
    /// The bytes of a scalar, in the machine's order.
    Scalar(Vec<u8>),
    /// The bytes of a struct passed by value, and where pointers lie in it.
    Struct {
        /// The struct's bytes, pointers included.
        bytes: Vec<u8>,
        /// Offset of each pointer, and what it points to.
        pointers: Vec<(u64, Extent)>,
    },
}

impl Arg {
    /// A scalar argument.
    pub fn scalar<T: bytemuck::NoUninit>(x: T) -> Arg {
        Arg::Scalar(bytemuck::bytes_of(&x).to_vec())
    }

    /// The value of an integer scalar of 1, 2, 4 or 8 bytes, sign-extended.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Arg::Scalar(b) => match b.len() {
                1 => Some(i8::from_le_bytes([b[0]]).into()),
                2 => Some(i16::from_le_bytes(b[..].try_into().ok()?).into()),
                4 => Some(i32::from_le_bytes(b[..].try_into().ok()?).into()),
                8 => Some(i64::from_le_bytes(b[..].try_into().ok()?)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The bytes that go into the parameter area.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Arg::Pointer(e) => e.address.to_le_bytes().to_vec(),
            Arg::Scalar(b) | Arg::Struct { bytes: b, .. } => b.clone(),
        }
    }

    /// Every extent of device memory that the argument names.
    pub fn extents(&self) -> Vec<Extent> {
        match self {
            Arg::Pointer(e) => vec![*e],
            Arg::Scalar(_) => Vec::new(),
            Arg::Struct { pointers, .. } => pointers.iter().map(|(_, e)| *e).collect(),
        }
    }
}
